#!/usr/bin/env perl

# One key, one job, one execution: across nginx's workers, races, reloads,
# restarts and a worker that was killed; and what a key is no longer taken by.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);


my $t = AsyncTest->new(workers => 4, http => <<'END');
    client_body_buffer_size 16k;
    client_max_body_size 0;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /a {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /short {
            async on;
            async_idempotency $http_idempotency_key ttl=2s;
            async_retention 1s failed=1s history=1s;
            proxy_pass http://%%BACKEND%%;
        }

        location /nobody {
            async on;
            async_retry off;
            proxy_pass http://127.0.0.1:1;
        }

        location /late {
            async on;
            async_start_timeout 1s;
            proxy_pass http://%%BACKEND%%;
        }

        location /wait {
            async on;
            async_delay 1h;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_OTHER%%;

        location /a {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

$t->start;


sub post {
    my ($target, $key, %args) = @_;
    my @more = @{ delete $args{more} || [] };
    return $t->request('POST', $target, body => 'same', %args,
                       headers => ['Idempotency-Key' => $key, @more]);
}


# the id of the job of an answer that must be a 202
sub id_of {
    my ($answer) = @_;
    return $answer && $answer->{status} == 202 ? $answer->json->{id}
         : $answer ? "$answer->{status} $answer->{body}" : 'no answer';
}


# so many requests sent as one, each over a connection of its own; their
# answers
sub at_once {
    my ($n, $bytes) = @_;
    my $select = IO::Select->new;
    my (%read, @answers);

    for (1 .. $n) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                           PeerPort => $t->port)
            or die "connect: $!";
        $select->add($socket);
        $read{$socket} = '';
    }

    syswrite $_, $bytes for $select->handles;

    my $deadline = time + 60;

    while ($select->count && time < $deadline) {
        for my $socket ($select->can_read(1)) {
            next if sysread $socket, $read{$socket}, 1 << 16,
                            length $read{$socket};
            my ($head, $body) = split /(?<=\r\n\r\n)/, $read{$socket}, 2;
            push @answers, AsyncTest::Answer->new($head, $body);
            $select->remove($socket);
        }
    }

    return @answers;
}


# a hundred at once over four workers

my @answers = at_once(100, "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    . "Idempotency-Key: \"race\"\r\nContent-Length: 4\r\n\r\nsame");
my %ids = map { id_of($_) => 1 } @answers;

is(scalar @answers, 100, 'a hundred requests have a hundred answers');
is(scalar keys %ids, 1, 'which name one job') or diag(explain(\%ids));
is(scalar(grep { !$_->header('Idempotent-Replayed') } @answers), 1,
   'all but one say that it was there before');

my ($id) = keys %ids;
$t->wait_job("/jobs/$id");
is($t->backend_stats->{executions}, 1, 'it was run once');


# the answer is the job as it is now

my $again = post('/a', 'race');
is(id_of($again), $id, 'when it has ended it is the same job');
is($again->header('Idempotent-Replayed'), 'true', 'Idempotent-Replayed');
is($again->json->{status}, 'completed', 'as it is now');
is($again->json->{resultUrl}, "/jobs/$id/result", 'with its result');
is($again->header('Retry-After'), undef, 'and nothing to wait for');
like($again->header('Location'), qr{/jobs/$id$}, 'Location');


# a key is of one request

for my $other (
    ['another body',   '/a',   'race', body => 'other'],
    ['no body',        '/a',   'race', body => undef],
    ['another URI',    '/a?x', 'race'],
) {
    my ($what, @how) = @$other;
    my $answer = post(@how);
    is($answer->{status}, 422, "$what: 422");
    is($answer->json->{code}, 'idempotency-key-reused', "$what: code");
}

my $put = $t->request('PUT', '/a', body => 'same',
                      headers => ['Idempotency-Key' => 'race']);
is($put->{status}, 422, 'another method: 422');

is(id_of(post('/a', 'bare')), id_of(post('/a', '"bare"')),
   'bare and in quotes is the same key');


# ... of one client, and of one server block

my @auth = map { [Authorization => "Bearer $_"] } qw(one two);
my %of   = map { $_->[1] => id_of(post('/a', 'shared', more => $_)) } @auth;
$of{none}  = id_of(post('/a', 'shared'));
$of{other} = id_of(post('/a', 'shared', port => 'OTHER'));

my %different = map { $_ => 1 } values %of;
is(scalar keys %different, 4,
   'clients that differ in Authorization, and server blocks, have jobs of '
   . 'their own') or diag(explain(\%of));
is(id_of(post('/a', 'shared', more => $auth[0])), $of{'Bearer one'},
   'and each its own again');


# large bodies, which lie in files

for my $size (100_000, 1_000_000) {
    my $body  = AsyncTest::pattern($size);
    my $first = id_of(post('/a', "large-$size", body => $body));
    my $same  = post('/a', "large-$size", body => $body);

    is(id_of($same), $first, "$size bytes again: the same job");
    is($same->header('Idempotent-Replayed'), 'true', "$size bytes: replayed");

    substr $body, $size / 2, 1, '!';
    is(post('/a', "large-$size", body => $body)->{status}, 422,
       "$size bytes and one of them another: 422");

    $t->wait_job("/jobs/$first");
}

ok(poll_until(20, sub { !glob $t->store . '/spool/*' }),
   'no file is left of those that made no job');
ok(poll_until(20, sub {
       !grep { -f } glob $t->root . '/client_body_temp/{*,*/*,*/*/*,*/*/*/*}'
   }), 'nor a temporary file');


# a reload, a restart, a worker that was killed

my $kept   = id_of(post('/a?sleep=1', 'kept'));

ok(poll_until(20, sub {
    $t->get("/jobs/$kept")->json->{status} eq 'processing'
}), 'a job runs');

$t->reload;
is(id_of(post('/a?sleep=1', 'kept')), $kept, 'after a reload');

$t->kill_worker;
is(id_of(post('/a?sleep=1', 'kept')), $kept, 'after the worker was killed');

$t->stop_nginx;
$t->start_nginx;
is(id_of(post('/a?sleep=1', 'kept')), $kept, 'after a restart of nginx');

$t->start_worker;
$t->wait_job("/jobs/$kept");
is(id_of(post('/a?sleep=1', 'kept')), $kept, 'when it has ended');
is($t->backend_stats->{jobs}{$kept}, 1, 'it was run once');


# keys of jobs that never reached the backend are free again

my $lost = post('/nobody', 'free');
is($t->wait_job($lost)->{error}{code}, 'backend-unreachable',
   'the backend is not there');
isnt(id_of(post('/nobody', 'free')), $lost->json->{id},
     'the key is free after backend-unreachable');

my $wait = id_of(post('/wait', 'wait'));
is($t->request('DELETE', "/jobs/$wait")->{status}, 200, 'canceled');
isnt(id_of(post('/wait', 'wait')), $wait,
     'the key is free after a cancel before the start');

$t->stop_worker;
my $late     = post('/late', 'late');
my $deadline = time + 1.1;
is(id_of(post('/late', 'late')), $late->json->{id}, 'waiting it is not free');
poll_until(10, sub { time > $deadline });
$t->start_worker;
is($t->wait_job($late)->{error}{code}, 'start-timeout', 'it came too late');
isnt(id_of(post('/late', 'late')), $late->json->{id},
     'the key is free after start-timeout');


# a key is forgotten when its ttl and its job are over

my $short = id_of(post('/short', 'short'));
$t->wait_job("/jobs/$short");
is(id_of(post('/short', 'short')), $short, 'within its ttl');
ok(poll_until(60, sub { id_of(post('/short', 'short')) ne $short }),
   'forgotten later');


$t->done;
done_testing;
