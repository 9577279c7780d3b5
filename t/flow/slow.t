#!/usr/bin/env perl

# A backend that is slower than proxy_read_timeout allows: async_timeout
# decides, and the synchronous twin stays as it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);
use Time::Local qw(timegm);


my $t = AsyncTest->new(http => <<'END');
    proxy_read_timeout 1s;
    proxy_send_timeout 1s;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /sync {
            proxy_pass http://%%BACKEND%%;
        }

        location /async {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /short {
            async on;
            async_timeout 2s;
            proxy_pass http://%%BACKEND%%;
        }

        location /ample {
            async on;
            async_timeout 10s;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->start;

# all at once: the slow ones run beside each other
my %path = map {
    $_ => $t->job_path($t->submit("/$_?sleep=3&key=$_", body => 'b'));
} qw(async short ample);
my $drip = $t->job_path($t->submit('/short?drip=0.5&size=81920&key=drip',
                                   body => 'b'));

my $sync = $t->request('POST', '/sync?sleep=3&key=sync', body => 'b');
is($sync->{status}, 504, 'the synchronous twin: 504 after 1 s');

for my $name (qw(async ample)) {
    my $job = $t->wait_job($path{$name});
    is($job->{status}, 'completed', "$name: a backend silent for 3 s");
    is($job->{resultStatus}, 200, "$name: its status");
    is($t->get("$path{$name}/result")->json->{target},
       "/$name?sleep=3&key=$name", "$name: its response");
}

sub gone {
    my ($key, $event) = @_;
    return grep { $_->{target} =~ /key=$key$/ } $t->backend_log($event);
}

sub unix_time {
    my ($y, $m, $d, $h, $min, $s) = $_[0] =~ /(\d+(?:\.\d+)?)/g;
    return timegm(int $s, $min, $h, $d, $m - 1, $y) + $s - int $s;
}

sub timed_out {
    my ($name, $path, $least, $most) = @_;
    my $job = $t->wait_job($path);
    is($job->{status}, 'failed', "$name: over async_timeout");
    is($job->{error}{code}, 'timeout', "$name: the error says so");
    ok(!exists $job->{resultUrl}, "$name: no result");

    my $result = $t->get("$path/result");
    is($result->{status}, 504, "$name: the result is a 504");
    is($result->header('Content-Type'), 'application/problem+json',
       "$name: a problem");
    is($result->json->{code}, 'timeout', "$name: with the same code");
    ok(!defined $result->header('Async-Result'), "$name: no Async-Result");

    ok(poll_until(20, sub { gone($name, 'gone') }),
       "$name: the backend saw its connection close");

    # from the claim: a busy backend may see the request, or its end, late
    my ($gone) = gone($name, 'gone');
    my $after  = $gone->{time} - unix_time($job->{startedAt});
    note(sprintf '%s: closed after %.2f s', $name, $after);
    cmp_ok($after, '>=', $least, "$name: not before async_timeout");
    cmp_ok($after, '<', $most, "$name: long before the backend was done");
    return;
}

# a timeout is of the whole attempt, not of the silence
timed_out('short', $path{short}, 1.99, 2.9);
timed_out('drip', $drip, 1.99, 9);

$t->done;
done_testing;
