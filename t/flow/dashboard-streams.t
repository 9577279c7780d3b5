#!/usr/bin/env perl

# The dashboard's event streams: told of changes, bounded in number, and ended
# in good order by a reload.

use strict;
use warnings;

use AsyncTest;
use IO::Select;
use IO::Socket::INET;
use Test::More;


my $seats = 32;                 # half of the connections

my $t = AsyncTest->new(connections => 2 * $seats, http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;
        location /reports { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/   { async_status; }
        location /board/  { async_dashboard; }
    }
END
$t->start;


# a stream whose head has come, or nothing if it is refused
sub stream {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $t->port) or die $!;
    my $stream = { socket => $socket, said => '' };

    print $socket "GET /board/live HTTP/1.1\r\nHost: x\r\n\r\n";
    poll_until(20, sub { hear($stream); $stream->{said} =~ /\n\r?\n/ })
        or die "no head: $stream->{said}";
    return $stream->{said} =~ m{^HTTP/1\.1 200} ? $stream : ();
}


# what has come meanwhile; true at the end
sub hear {
    my ($stream) = @_;

    while (IO::Select->new($stream->{socket})->can_read(0)) {
        my $n = sysread $stream->{socket}, $stream->{said}, 65536,
                        length $stream->{said};
        return 1 if !$n;
    }

    return 0;
}


my @streams = (stream());
my $head    = $streams[0]{said};

like($head, qr{^Content-Type: text/event-stream\r$}m, 'an event stream');
like($head, qr/^X-Accel-Buffering: no\r$/m, 'that no proxy keeps back');
like($head, qr/^Cache-Control: no-store\r$/m, 'nor a cache');

ok(poll_until(10, sub {
    hear($streams[0]);
    $streams[0]{said} =~ /^retry: 3000$/m;
}), 'it says when to come again');

while (@streams <= $seats) {
    push @streams, stream() // last;
}

is(scalar @streams, $seats, 'as many as half of the connections');

my $refused = $t->get('/board/live');
is($refused->{status}, 503, 'one more is refused');
ok($refused->header('Retry-After'), 'and told when to come again');

my $waits = $t->submit('/reports?sleep=1');
my $poll  = $t->get($t->job_path($waits), headers => ['Prefer', 'wait=20']);
isnt($poll->json->{status}, 'completed', 'nor does a client wait any more');

$t->wait_job($waits);
ok(poll_until(20, sub {
    hear($_) for @streams;
    return !grep { $_->{said} !~ /^event: change\ndata: \d+\n\n/m } @streams;
}), 'all are told that something has changed');

close +(pop @streams)->{socket};
ok(my $again = poll_until(20, sub { stream() }), 'who leaves makes room');
push @streams, $again;

my ($old) = $t->nginx_workers;
$t->reload;
ok(poll_until(20, sub { !grep { !hear($_) } @streams }),
   'a reload ends them');
is_deeply([grep { $_->{said} !~ /\r\n0\r\n\r\n\z/ } @streams], [],
          'in good order');
ok(poll_until(20, sub { !-e "/proc/$old" }), 'and the old worker leaves');
is(scalar(grep { stream() } 1), 1, 'the new one has room');


# a thread draws the charts: for many at once, and for who does not wait
sub look {
    my ($window) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $t->port) or die $!;
    print $socket "GET /board/data/charts?window=$window HTTP/1.0\r\n\r\n";
    return $socket;
}

close look($_) for (900, 3600, 86400) x 2;

my @looks = map { look($_) } (900, 3600, 86400) x 4;
my @drawn = map { local $/; scalar readline $_ } @looks;

is(scalar(grep { m{^HTTP/1\.1 200 .*\]\}\z}s } @drawn), @looks,
   'charts are drawn for many at once');

$t->done;
done_testing;
