# DELETE of a job, wherever it stands.

use strict;
use warnings;

use AsyncNginx;

plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: a job that waits for its turn is canceled at once
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url    = submit('/a', body => 'x' x 1000)->json->{statusUrl};
my $answer = request('DELETE', $url);
is($answer->{status}, 200, 'the status');
is($answer->header('Content-Type'), 'application/json', 'Content-Type');
is($answer->header('Cache-Control'), 'no-store', 'Cache-Control');
is($answer->header('Retry-After'), undef, 'no Retry-After');
my $json = $answer->json;
is($json->{status}, 'canceled', 'canceled');
is_deeply([sort keys %$json], [sort qw(id status queue maxAttempts createdAt finishedAt expiresAt statusUrl eventsUrl)], 'its fields');
is_deeply(get($url)->json, $json, 'the document is the same after it');
my $result = get("$url/result");
is($result->{status}, 409, 'the result: 409');
is($result->json->{code}, 'job-canceled', 'the code');
is(jobs(), 1, 'the store is in order');



=== TEST 2: canceled once more it is what it was
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url   = submit('/a')->json->{statusUrl};
my $first = request('DELETE', $url);
my $etag  = get($url)->header('ETag');
for (1 .. 2) {
    my $again = request('DELETE', $url);
    is($again->{status}, 200, 'again: 200');
    is_deeply($again->json, $first->json, 'the same document');
}
is(get($url)->header('ETag'), $etag, 'nothing has changed');



=== TEST 3: a job that runs is stopped, and the backend sees its connection close
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a?sleep=60')->json->{statusUrl};
ok(poll_until(20, sub { executions() }), 'the backend has it');
my $answer = request('DELETE', $url);
is($answer->{status}, 202, 'the status');
is($answer->header('Retry-After'), 5, 'Retry-After');
my $json = $answer->json;
is($json->{status}, 'processing', 'it still runs');
ok($json->{cancelRequested}, 'cancelRequested');
my $job = wait_job($url);
is($job->{status}, 'canceled', 'then it is canceled');
ok($job->{outcomeUnknown}, 'outcomeUnknown');
ok($job->{startedAt} && $job->{finishedAt}, 'with its times');
ok(!exists $job->{$_}, "no $_") for qw(cancelRequested resultUrl resultStatus error);
is(request('DELETE', $url)->{status}, 200, 'once more: 200');
is(get("$url/result")->{status}, 409, 'no result');
ok(poll_until(20, sub { $t->get('/_stats', port => 'BACKEND')->json->{running} == 0 }), 'the backend was let go');
is(executions(), 1, 'it was run once');



=== TEST 4: a job that has ended cannot be canceled, and nothing is lost
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $status (200, 404) {
    my ($job, $result) = submit_and_wait("/a?status=$status&size=100");
    my $answer = request('DELETE', $job->{statusUrl});
    is($answer->{status}, 409, "$status: 409");
    is($answer->header('Content-Type'), 'application/problem+json', "$status: a problem");
    is($answer->json->{code}, 'job-finished', "$status: the code");
    is($answer->json->{jobId}, $job->{id}, "$status: the job");
    is_deeply(get($job->{statusUrl})->json, $job, "$status: the same document");
    is(get($job->{resultUrl})->{body}, $result->{body}, "$status: the same result");
}



=== TEST 5: a job that waits for its next attempt is canceled at once
--- config
    location /a     { async on; async_retry 5 backoff=1h:1h non_idempotent; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retry 5 backoff=1h:1h; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
for my $uri ('/a?status=503', '/b') {
    my $url = submit($uri)->json->{statusUrl};
    ok(poll_until(20, sub { get($url)->json->{status} eq 'retrying' }), "$uri: it waits");
    my $answer = request('DELETE', $url);
    is($answer->{status}, 200, "$uri: 200");
    my $json = $answer->json;
    is($json->{status}, 'canceled', "$uri: canceled");
    ok(!exists $json->{$_}, "$uri: no $_") for qw(error nextAttemptAt outcomeUnknown);
}
is(executions(), 1, 'the backend had it once');
is(jobs(), 2, 'the store is in order');



=== TEST 6: what an attempt before left open is told
--- config
    location /a     { async on; async_timeout 300ms; async_retry 5 backoff=1h:1h non_idempotent; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a?sleep=30')->json->{statusUrl};
ok(poll_until(20, sub { get($url)->json->{status} eq 'retrying' }), 'it timed out, and waits');
my $json = request('DELETE', $url)->json;
is($json->{status}, 'canceled', 'canceled');
ok($json->{outcomeUnknown}, 'outcomeUnknown');



=== TEST 7: a job that is not there cannot be canceled: the 404 of GET
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $expected = get('/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11');
for my $path ('0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11', '', 'x', 'result', '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11/') {
    my $answer = request('DELETE', "/jobs/$path");
    is($answer->{status}, 404, "'$path': 404");
    is($answer->{body}, $expected->{body}, "'$path': the same document");
}



=== TEST 8: a result or a history cannot be canceled
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
for my $what (qw(result history)) {
    my $answer = request('DELETE', "$url/$what");
    is($answer->{status}, 405, "$what: the status");
    is($answer->header('Allow'), 'GET, HEAD, OPTIONS', "$what: Allow");
}
is(get($url)->json->{status}, 'queued', 'nothing happened');



=== TEST 9: a cancel may have a body, and its connection goes on
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @urls = map { submit('/a')->json->{statusUrl} } 1 .. 2;
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port) or die $!;
print $socket "DELETE $urls[0] HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nwhy? ",
    "DELETE $urls[1] HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET $urls[0] HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
my $answers = do { local $/; <$socket> };
is(scalar(() = $answers =~ m{HTTP/1.1 200 }g), 3, 'three answers');
is(scalar(() = $answers =~ /"status":"canceled"/g), 3, 'of canceled jobs');



=== TEST 10: a client that does not wait has canceled all the same
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @urls = map { submit('/a')->json->{statusUrl} } 1 .. 20;
for my $url (@urls) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port) or die $!;
    print $socket "DELETE $url HTTP/1.1\r\nHost: a\r\n\r\n";
    close $socket;
}
ok(poll_until(20, sub { get($_)->json->{status} eq 'canceled' }), "canceled: $_") for @urls;
is(jobs(), 20, 'the store is in order');



=== TEST 11: a condition is no reason not to tell what was done
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $header (['If-None-Match' => '*'], ['If-Match' => '"other"'], ['If-Modified-Since' => 'Sun, 22 Nov 2026 10:00:00 GMT']) {
    my $answer = request('DELETE', submit('/a')->json->{statusUrl}, headers => $header);
    is($answer->{status}, 200, "$header->[0]: 200");
    is($answer->json->{status}, 'canceled', "$header->[0]: canceled");
}



=== TEST 12: a method that access rules refuse cancels nothing
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; limit_except GET { deny all; } }
--- check
my $url = submit('/a')->json->{statusUrl};
is(request('DELETE', $url)->{status}, 403, 'refused');
is(get($url)->json->{status}, 'queued', 'it waits on');



=== TEST 13: nobody cancels a job of another
--- no_worker
--- config
    location /a     { async on; async_owner $http_x_owner; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; async_owner $http_x_owner; }
--- check
my @me    = (headers => ['X-Owner' => 'me']);
my $url   = submit('/a', @me)->json->{statusUrl};
my $none  = request('DELETE', '/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11', @me);
my $other = request('DELETE', $url, headers => ['X-Owner' => 'you']);
is($other->{status}, 404, 'another: 404');
is($other->{body}, $none->{body}, 'as if it were not there');
is(get($url, @me)->json->{status}, 'queued', 'it waits on');
is(request('DELETE', $url, @me)->json->{status}, 'canceled', 'its owner cancels it');



=== TEST 14: a job that was about to be canceled may end first
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my (%ends, %answers);
for my $n (1 .. 30) {
    my $url    = submit('/a')->json->{statusUrl};
    my $answer = poll_until(20, sub { $n % 3 == 0 || get($url)->json->{status} ne 'queued' }) && request('DELETE', $url);
    my $job    = wait_job($url);
    $ends{ $job->{status} }++;
    $answers{ $answer->{status} }++;
    my %right = (200 => 'canceled', 202 => '(?:canceled|completed)', 409 => 'completed');
    like($job->{status}, qr/^$right{ $answer->{status} }$/, "$n: $answer->{status}, then $job->{status}");
}
is(jobs(), 30, 'the store is in order');



=== TEST 15: the history tells who asked, once, and who stopped it
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a?sleep=60')->json->{statusUrl};
ok(poll_until(20, sub { executions() }), 'the backend has it');
request('DELETE', $url) for 1 .. 2;
wait_job($url);
request('DELETE', $url);
my @events = map { "$_->{event} by $_->{by}" } @{ get("$url/history")->json->{events} };
is_deeply(\@events, ['queued by client', 'processing by worker', 'cancel-requested by client', 'canceled by worker'], 'four events');
