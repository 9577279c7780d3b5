# Attempts, waits and start deadlines.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a PUT is tried again until the backend answers well
--- config
    location /a     { async on; async_retry 5 backoff=100ms:200ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job = wait_job(submit('/a?fail=2', method => 'PUT'));
is($job->{status}, 'completed', 'completed');
is($job->{attempt}, 3, 'in the third attempt');
is($job->{maxAttempts}, 5, 'of five');
is($job->{resultStatus}, 200, 'with its answer');
ok(!exists $job->{error}, 'the failures before are not told');
is(executions(), 3, 'the backend was asked three times');
is(join(' ', map { (seen($_))[0] =~ /^Async-Attempt: (\d+)/mi } 1 .. 3), '1 2 3', 'and told the attempt');



=== TEST 2: between attempts the job is retrying, says why, and when it goes on
--- config
    location /a     { async on; async_retry 2 backoff=1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $accepted = submit('/a?fail=1', method => 'PUT');
my $url = $accepted->json->{statusUrl};
my $answer;
ok(poll_until(10, sub { ($answer = get($url))->json->{status} eq 'retrying' }), 'retrying');
my $job = $answer->json;
is($job->{error}{code}, 'backend-status', 'the code of the failure');
is($job->{error}{detail}, 'The backend answered with status 503.', 'and its sentence');
like($job->{nextAttemptAt}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'nextAttemptAt');
my ($day, $hour) = $job->{nextAttemptAt} =~ /-(\d\d)T(\d\d):/;
isnt($hour, (gmtime)[2], 'an hour from now');
is($answer->header('Retry-After'), 5, 'Retry-After on an unfinished answer');
is($answer->{status}, 200, 'status 200');
my $result = get("$url/result");
is($result->{status}, 202, 'its result is not there yet');
is($result->json->{status}, 'retrying', 'and it says so');
ok(!exists $job->{$_}, "no $_") for qw(resultUrl resultStatus finishedAt expiresAt);
is(jobs(), 1, 'the store is in order');



=== TEST 3: when the attempts are used up the job fails, and keeps the last answer
--- config
    location /a     { async on; async_retry 3 backoff=50ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?status=502&size=20', method => 'PUT');
is($job->{status}, 'failed', 'failed');
is($job->{error}{code}, 'backend-status', 'the code');
is($job->{attempt}, 3, 'after three attempts');
is(executions(), 3, 'the backend was asked three times');
is($result->{status}, 502, 'the result is the last answer');
is($result->{body}, AsyncTest::pattern(20), 'whole');



=== TEST 4: a POST that reached the backend is not sent again
--- config
    location /a     { async on; async_retry 3 backoff=50ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retry 3 backoff=50ms; async_methods PATCH; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /c     { async on; async_retry 3 backoff=50ms; async_methods LOCK; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $case (['POST', '/a'], ['PATCH', '/b'], ['LOCK', '/c']) {
    my ($method, $uri) = @$case;
    my $before = executions();
    my $job = wait_job(submit("$uri?fail=1", method => $method));
    is($job->{status}, 'failed', "$method: failed");
    is($job->{attempt}, 1, "$method: at once");
    is($job->{error}{code}, 'backend-status', "$method: the code");
    is(executions(), $before + 1, "$method: sent once");

    $job = wait_job(submit("$uri?reset=before", method => $method));
    is($job->{error}{code}, 'outcome-unknown', "$method: a reset leaves the outcome unknown");
    is(executions(), $before + 2, "$method: sent once");
}



=== TEST 5: unless non_idempotent says that it may be
--- config
    location /a     { async on; async_retry 3 backoff=50ms non_idempotent; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job = wait_job(submit('/a?fail=2'));
is($job->{status}, 'completed', 'completed');
is(executions(), 3, 'after three times');



=== TEST 6: what did not reach the backend is tried again, POST or not
--- config
    location /a     { async on; async_retry 3 backoff=50ms; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
for my $method (qw(POST PUT)) {
    my $job = wait_job(submit('/a', method => $method));
    is($job->{status}, 'failed', "$method: failed");
    is($job->{error}{code}, 'backend-unreachable', "$method: the code");
    is($job->{attempt}, 3, "$method: after three attempts");
}



=== TEST 7: a backend that comes back finds the job waiting
--- config
    location /a     { async on; async_retry 100 backoff=100ms; proxy_pass http://127.0.0.1:$TEST_NGINX_PORT_2; }
    location /jobs/ { async_status; }
--- check
my $accepted = submit('/a');
ok(poll_until(10, sub { (get($accepted->json->{statusUrl})->json->{attempt} // 0) > 1 }), 'it is tried again');
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1:' . $t->port(2), Listen => 1, ReuseAddr => 1) or die $!;
my $client = $server->accept;
sysread $client, my $head, 65536;
syswrite $client, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
close $client;
close $server;
my $job = wait_job($accepted);
is($job->{status}, 'completed', 'completed');
is($job->{resultStatus}, 201, 'with its answer');



=== TEST 8: the statuses and failures of on= are tried again, others are not
--- config
    location /a     { async on; async_retry 2 backoff=50ms on=404,418; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retry 2 backoff=50ms on=timeout; async_timeout 300ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /c     { async on; async_retry 2 backoff=50ms on=error; async_timeout 300ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $case (['/a?status=404', 2], ['/a?status=418', 2], ['/a?status=503', 1], ['/a?reset=before', 1],
              ['/b?sleep=5', 2], ['/b?reset=before', 1], ['/b?status=503', 1],
              ['/c?sleep=5', 1], ['/c?reset=before', 2], ['/c?status=503', 1]) {
    my ($uri, $times) = @$case;
    my $before = executions();
    my $job = wait_job(submit($uri, method => 'PUT'));
    is($job->{status}, 'failed', "$uri: failed");
    is(executions() - $before, $times, "$uri: $times times");
}



=== TEST 9: the backend's Retry-After is honoured
--- config
    location /a     { async on; async_retry 3 backoff=10ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retry 3 backoff=1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job = wait_job(submit('/a?fail=1&status=429&header=Retry-After:2', method => 'PUT'));
is($job->{status}, 'completed', 'completed');
my @at = map { $_->{time} } grep { $_->{event} eq 'arrived' } $t->backend_log;
cmp_ok($at[-1] - $at[-2], '>=', 1.9, 'not before two seconds were over');

use POSIX ();
my $date = POSIX::strftime('%a,%%20%d%%20%b%%20%Y%%20%H:%M:%S%%20GMT', gmtime(time + 7200));
my %wait = ("2" => 3600, "7200" => 7200, $date => 7200, "999999999" => 86400, "soon" => 3600);
for my $asked (sort keys %wait) {
    my $url = submit("/b?fail=1&header=Retry-After:$asked", method => 'PUT')->json->{statusUrl};
    ok(poll_until(10, sub { get($url)->json->{status} eq 'retrying' }), "$asked: retrying");
    my ($y, $mo, $d, $h, $m, $s) = get($url)->json->{nextAttemptAt} =~ /(\d+)/g;
    require Time::Local;
    my $left = Time::Local::timegm($s, $m, $h, $d, $mo - 1, $y) - time;
    cmp_ok(abs($left - $wait{$asked}), '<', 30, "$asked: $wait{$asked} s");
}



=== TEST 10: async_retry off and one attempt are the same
--- config
    location /a     { async on; async_retry off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retry 1; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $uri (qw(/a /b)) {
    my $job = wait_job(submit("$uri?fail=1", method => 'PUT'));
    is($job->{status}, 'failed', "$uri: failed");
    is($job->{maxAttempts}, 1, "$uri: one attempt");
}



=== TEST 11: off cancels what was inherited
--- http_config
    async_retry 2 backoff=50ms;
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retry off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a?fail=1', method => 'PUT'))->{status}, 'completed', 'inherited');
is(wait_job(submit('/b?fail=1', method => 'PUT'))->{status}, 'failed', 'off');



=== TEST 12: a job keeps the policy it was accepted with
--- config
    location /a     { async on; async_retry 4 backoff=50ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(submit('/a?fail=3', method => 'PUT')->json->{maxAttempts}, 4, 'said at submission');
is(jobs(), 1, 'stored');



=== TEST 13: a job that is not started in time fails
--- http_config
    async_queue busy concurrency=1;
--- config
    location /busy  { async on queue=busy; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /late  { async on queue=busy; async_start_timeout 500ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $busy = submit('/busy?sleep=5');
ok(poll_until(10, sub { executions() == 1 }), 'the queue is busy');
my ($job, $result) = submit_and_wait('/late');
is($job->{status}, 'failed', 'failed');
is($job->{error}{code}, 'start-timeout', 'the code');
ok($job->{error}{detail}, 'a sentence');
ok(!exists $job->{$_}, "no $_") for qw(attempt startedAt resultUrl resultStatus);
is($result->{status}, 502, 'its result is a 502');
is($result->json->{code}, 'start-timeout', 'that says why');
is(get($busy->json->{statusUrl})->json->{status}, 'processing', 'the other still runs');
is(executions(), 1, 'it never reached the backend');



=== TEST 14: a wrong number of attempts
--- config
    location /a     { async on; async_retry many; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid number of attempts "many": write 1 to 1000, such as "async_retry 5 backoff=10s:2m", or "async_retry off"



=== TEST 15: a wrong backoff
--- config
    location /a     { async on; async_retry 5 backoff=2m:10s; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid backoff "2m:10s": write the shortest and the longest wait between attempts, such as backoff=10s:2m, at most 24h



=== TEST 16: a wrong failure
--- config
    location /a     { async on; async_retry 5 on=error,200; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid failure "200" in "on=": write error, timeout, and statuses from 400 to 599, such as on=error,timeout,503



=== TEST 17: a wrong parameter
--- config
    location /a     { async on; async_retry 5 always; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid parameter "always": async_retry takes backoff=10s:2m, on=error,timeout,503 and non_idempotent



=== TEST 18: twice
--- config
    location /a     { async on; async_retry 5; async_retry off; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_retry" directive is duplicate



=== TEST 19: no time to start
--- config
    location /a     { async on; async_start_timeout 0; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_start_timeout" directive takes the time that a job may wait for its start, such as 24h
