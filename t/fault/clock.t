#!/usr/bin/env perl

# The clock is set by an hour and by a year, both ways, under jobs that run,
# wait their turn, wait for their next attempt, or have ended: each comes to
# its end, none twice, and nothing is thrown away by a jump that is taken
# back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncPreload;
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);


my $hour = 3_600_000;
my $year = 365 * 24 * $hour;
my $t    = AsyncTest->new(workers => 2, http => <<'END');
    async_queue narrow concurrency=1;

    server {
        listen 127.0.0.1:%%PORT%%;

        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /narrow {
            async on queue=narrow;
            proxy_pass http://%%BACKEND%%;
        }

        location /again {
            async on;
            async_retry 3 backoff=2s:2s on=503;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $control = AsyncPreload->new($t, 'clock');
$t->start_backend;
$control->preloaded(sub { $t->start_nginx; $t->start_worker });


sub submit {
    my ($method, $target) = @_;
    return $t->job_path($t->submit($target, method => $method, body => 'b'));
}


sub runs {
    my ($key) = @_;
    return scalar grep { $_->{target} =~ /[?&]key=$key(?:&|$)/ }
           $t->backend_log('arrived');
}


sub told {
    my ($path) = @_;
    return $t->get($path)->json->{status};
}


# seconds by which nginx's clock is off
sub off {
    my $date = $t->get('/jobs/x')->header('Date');
    chomp(my $seconds = `date -d '$date' +%s`);
    return $seconds - time;
}


my $kept = submit(PUT => '/?key=kept');
is($t->wait_job($kept)->{status}, 'completed', 'a job that ends before');

for my $case (['an hour ahead', $hour], ['an hour back', -$hour],
              ['a year ahead', $year],  ['a year back', -$year])
{
    my ($name, $offset) = @$case;
    my $key   = $name =~ tr/ /-/r;
    my @run   = map { submit($_, "/?sleep=2&key=$key-run-$_") } qw(POST PUT);
    my @queue = map { submit($_ % 2 ? 'POST' : 'PUT',
                             "/narrow?sleep=0.3&key=$key-queue$_") } 1 .. 4;
    my $again = submit(PUT => "/again?status=503&key=$key-again");

    ok(poll_until(20, sub { told($again) eq 'retrying' }),
       "$name: a job waits for its next attempt");
    ok(poll_until(20, sub { runs("$key-run-POST") && runs("$key-run-PUT") }),
       "$name: others run");

    my $began = time;
    $control->set(offset => $offset);
    ok(poll_until(10, sub { abs(off() - $offset / 1000) < 60 }),
       "$name: nginx's clock is set");
    my @new = map { submit($_, "/?key=$key-new-$_") } qw(POST PUT);

    my $job = $t->wait_job($again);
    is($job->{status}, 'failed', "$name: the job that waited has ended");
    is($job->{attempt}, 3, "$name: after its attempts");
    is(runs("$key-again"), 3, "$name: which were made");
    cmp_ok(time - $began, '<', 20, "$name: at their time");
    note(sprintf '%s: the next attempts took %.1f s', $name, time - $began);

    is_deeply([map { $t->wait_job($_)->{status} } @run, @queue, @new],
              [('completed') x 8], "$name: all others completed");
    is_deeply([map { runs("$key-$_") } qw(run-POST run-PUT new-POST new-PUT
               queue1 queue2 queue3 queue4)], [(1) x 8],
              "$name: each ran once");

    # and back, by which waits of the other time are put right
    $again = submit(PUT => "/again?status=503&key=$key-back");
    poll_until(20, sub { told($again) eq 'retrying' }) or die 'no retry';
    $began = time;
    $control->set(offset => 0);
    is($t->wait_job($again)->{attempt}, 3, "$name, and set right again: "
                                           . 'its attempts');
    cmp_ok(time - $began, '<', 20, "$name, and set right again: in time");
    is($t->wait_job(submit(POST => "/?key=$key-after"))->{status},
       'completed', "$name, and set right again: a new job");
    AsyncLoad::check_clean($t, $name);
}


# --- what has ended -------------------------------------------------------

# a year that lasts for a moment: long enough for both to see it
$kept = submit(PUT => '/?key=kept2');
is($t->wait_job($kept)->{status}, 'completed', 'one more that has ended');

for my $round (1 .. 3) {
    $control->set(offset => $year);
    ok(poll_until(10, sub { off() > 86400 }), 'a year ahead');
    my $seen = submit(POST => "/?key=moment$round");
    is($t->wait_job($seen)->{status}, 'completed', 'seen by the worker');
    $control->set(offset => 0);
    ok(poll_until(10, sub { off() < 60 }), 'and back');
    is($t->wait_job(submit(POST => "/?key=back$round"))->{status},
       'completed', 'also for the worker');
}

# two looks of the worker later it would be gone
is($t->wait_job(submit(POST => '/?sleep=3&key=later'))->{status},
   'completed', 'a while later');
is($t->get("$kept/result")->{status}, 200,
   'a result outlives a jump that is taken back');

$control->set(offset => $year);
ok(poll_until(40, sub { $t->get("$kept/result")->{status} != 200 }),
   'a jump that stays is believed');
like($t->get("$kept/result")->{status}, qr/^4(?:10|04)$/, 'the result is gone');
AsyncLoad::check_clean($t, 'in the end');
$t->done;
done_testing;
