# How long results, failed jobs and histories are kept.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a result is there, then gone, then nobody knows the job
--- config
    location /a     { async on; async_retention 1s history=4s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?size=1000');
my $url = $job->{statusUrl};
is($result->{status}, 200, 'there');
is($result->{body}, AsyncTest::pattern(1000), 'whole');

ok(poll_until(10, sub { ($result = get("$url/result"))->{status} == 410 }), 'gone');
is($result->json->{code}, 'result-gone', 'the code');
is($result->json->{jobId}, $job->{id}, 'of this job');
is($result->header('Async-Result'), undef, 'no Async-Result');

my $answer = get($url);
is($answer->{status}, 200, 'its history stands');
is_deeply($answer->json, $job, 'and the document is the same');
ok(poll_until(10, sub { AsyncCheck::figures()->{jobs} == 1 }), 'the store is in order');

ok(poll_until(15, sub { ($answer = get($url))->{status} == 404 }), 'forgotten');
is($answer->json->{code}, 'job-not-found', 'as one that never was');
is(get("$url/result")->{status}, 404, 'its result too');
is(jobs(), 0, 'nothing is left');



=== TEST 2: expiresAt is when the result goes
--- config
    location /a     { async on; async_retention 2h failed=3h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /d     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
require Time::Local;
sub at { my ($y, $mo, $d, $h, $m, $s) = $_[0] =~ /(\d+)/g; return Time::Local::timegm($s, $m, $h, $d, $mo - 1, $y) }
for my $case (['/a', 2], ['/a?status=404', 3], ['/d', 24], ['/d?status=404', 7 * 24]) {
    my ($uri, $hours) = @$case;
    my $job = wait_job(submit($uri));
    is(at($job->{expiresAt}) - at($job->{finishedAt}), $hours * 3600, "$uri: $hours hours");
}



=== TEST 3: failed jobs are kept for a time of their own
--- config
    location /a     { async on; async_retention 1s failed=1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retention 1h failed=1s; async_retry off; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my ($failed) = submit_and_wait('/a?status=404&size=10');
my ($done) = submit_and_wait('/a?size=10');
ok(poll_until(10, sub { get("$done->{statusUrl}/result")->{status} == 410 }), 'the completed one is gone');
is(get("$failed->{statusUrl}/result")->{status}, 404, 'the failed one answers as the backend did');

my ($nothing) = submit_and_wait('/b');
my $url = "$nothing->{statusUrl}/result";
ok(poll_until(10, sub { get($url)->{status} == 410 }), 'one without a response is gone as well');



=== TEST 4: spooled bodies go with their jobs
--- config
    location /a     { async on; async_retention 1s failed=1s history=1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $body = AsyncTest::pattern(1 << 20);
for my $uri ('/a?size=400000', '/a?size=400000&status=404') {
    my $answer = submit($uri, body => $body);
    wait_job($answer);
}
ok(poll_until(15, sub { my @files = glob $t->store . '/spool/*'; !@files }), 'no file is left');
is(jobs(), 0, 'no job either');



=== TEST 5: what is over is gone even while no worker runs
--- config
    location /a     { async on; async_retention 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a');
is($result->{status}, 200, 'there');
AsyncNginx::_stop_worker();
ok(poll_until(10, sub { get("$job->{statusUrl}/result")->{status} == 410 }), 'gone');



=== TEST 6: a time that is none
--- config
    location /a     { async on; async_retention soon; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid time "soon" in "async_retention": write for how long results are kept, such as 24h



=== TEST 7: a failed= that is none
--- config
    location /a     { async on; async_retention 1h failed=; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid time "failed=" in "async_retention": write for how long results are kept, such as 24h



=== TEST 8: a wrong parameter
--- config
    location /a     { async on; async_retention 1h results=5h; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid parameter "results=5h": async_retention takes a time, failed=7d and history=30d



=== TEST 9: twice
--- config
    location /a     { async on; async_retention 1h; async_retention 2h; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_retention" directive is duplicate
