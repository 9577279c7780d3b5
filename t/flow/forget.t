#!/usr/bin/env perl

# Fire and forget: many requests, bodies that end with their connection, and a
# worker that comes later.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;

        location /log {
            async on;
            async_forget on;
            proxy_pass http://%%BACKEND%%;
        }

        location /kept {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->start_backend;
$t->start_nginx;

my $body = pattern(400_000);
my $many = 100;

is($t->request('POST', "/log?n=$_", body => "body $_")->{status}, 202,
   "$_ is accepted") for 1 .. $many;
is($t->request('POST', '/log?large=1', body => $body)->{status}, 202,
   'a large one is accepted, too');
is($t->backend_count('executions'), 0, 'nobody has run them yet');

# no id is known for them, but the store has them
sub jobs {
    my ($code, $out) = $t->command('check', '--json');
    return $code == 0 && $out =~ /"jobs":(\d+)/ ? $1 : -1;
}

ok(poll_until(30, sub { jobs() == $many + 1 }), 'all are in the store');

$t->start_worker;
my $kept = $t->submit('/kept');
is($t->wait_job($kept)->{status}, 'completed', 'a job beside them');

ok(poll_until(60, sub { $t->backend_count('executions') == $many + 2 }),
   'all have run');
ok(poll_until(60, sub { jobs() == 1 }), 'nothing is left but the other job');
is($t->get($t->job_path($kept))->{status}, 200, 'which is still there');

my %seen;
for my $line ($t->backend_log('arrived')) {
    my ($head, $got) = $t->backend_request($line->{n});
    my ($n) = $line->{target} =~ /n=(\d+)/;
    $seen{$n}++ if $n && $got eq "body $n";
    ok($got eq $body, 'the large body is whole')
        if $line->{target} =~ /large/;
}
is_deeply([sort { $a <=> $b } keys %seen], [1 .. $many],
          'each with its body');
is((grep { $_ != 1 } values %seen), 0, 'and once');

$t->done;
done_testing;
