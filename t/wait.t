# Clients that wait: a poll that is answered when its job ends, a submit that
# is answered with the result.  That something was waited for is seen by what
# the answer says, and that it was not waited out by a wait that is far longer.

use strict;
use warnings;

use AsyncClient;
use AsyncNginx;

no_root_location();

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a poll with wait is answered when the job ends
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url    = submit('/a?sleep=1')->json->{statusUrl};
my $start  = time;
my $answer = get($url, headers => [Prefer => 'wait=29']);
is($answer->{status}, 200, 'the status');
is($answer->json->{status}, 'completed', 'the job has ended');
cmp_ok(time - $start, '<', 25, 'before the wait was over');
is($answer->header('Retry-After'), undef, 'no Retry-After');
is($answer->header('Preference-Applied'), undef, 'no Preference-Applied');
is($answer->header('Cache-Control'), 'no-cache', 'Cache-Control');
is($answer->header('ETag'), get($url)->header('ETag'), 'ETag');



=== TEST 2: a poll whose wait is over is answered with the job as it is
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
for my $wait ('wait=1', 'wait="1"', 'respond-async, WAIT=1; x=y', 'wait = 1') {
    my $start  = time;
    my $answer = get($url, headers => [Prefer => $wait]);
    is($answer->{status}, 200, "$wait: 200");
    is($answer->json->{status}, 'queued', "$wait: the document");
    is($answer->header('Retry-After'), 5, "$wait: Retry-After");
    cmp_ok(time - $start, '>=', 0.9, "$wait: it did wait");
}
my $two = get($url, headers => [Prefer => 'respond-async', Prefer => 'wait=1']);
is($two->json->{status}, 'queued', 'in a second header');



=== TEST 3: what asks for no wait is answered at once
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; async_wait 0 max=1000s; }
--- check
my $url   = submit('/a')->json->{statusUrl};
my $start = time;
for my $prefer ('', 'wait', 'wait=', 'wait=0', 'wait=-1', 'wait=soon', 'wait=1s', 'respond-async', 'wait=0, wait=900') {
    is(get($url, headers => [Prefer => $prefer])->json->{status}, 'queued', "'$prefer'");
}
is(get("$url/result", headers => [Prefer => 'wait=900'])->{status}, 202, 'a result is not waited for');
is(get('/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11', headers => [Prefer => 'wait=900'])->{status}, 404, 'nor is a job that there is not');
cmp_ok(time - $start, '<', 60, 'at once');



=== TEST 4: a job that has ended is not waited for
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
wait_job($url);
my $start = time;
my $first = get($url, headers => [Prefer => 'wait=29']);
is($first->json->{status}, 'completed', 'the document');
is(get($url, headers => [Prefer => 'wait=29', 'If-None-Match' => $first->header('ETag')])->{status}, 304, 'or 304');
cmp_ok(time - $start, '<', 25, 'at once');



=== TEST 5: with If-None-Match any change is an answer, and 304 is when there was none
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- no_worker
--- check
my $url  = submit('/a?sleep=3')->json->{statusUrl};
my $etag = get($url)->header('ETag');
my $ask  = sub { get($url, headers => [Prefer => "wait=$_[0]", 'If-None-Match' => $_[1]]) };
my $same = $ask->(1, $etag);
is($same->{status}, 304, 'no change: 304 when the wait is over');
is($same->header('Retry-After'), 5, 'with Retry-After');
is($same->header('ETag'), $etag, 'and the ETag');
my $start = time;
is($ask->(29, '"other"')->json->{status}, 'queued', 'another tag is answered at once');
cmp_ok(time - $start, '<', 25, 'and not later');
my $poll = AsyncClient->get($t, $url, headers => [Prefer => 'wait=29', 'If-None-Match' => "\"x\", W/$etag"]);
my $end  = AsyncClient->get($t, $url, headers => [Prefer => 'wait=29']);
my $any  = AsyncClient->get($t, $url, headers => [Prefer => 'wait=29', 'If-None-Match' => '*']);
ok(!$poll->answered(0.5), 'one of the list is waited upon');
AsyncNginx::_start_worker($t->store);
my $changed = $poll->answer;
is($changed->{status}, 200, 'the change is answered');
is($changed->json->{status}, 'processing', 'before the job has ended');
ok(!$end->answered, 'which those without If-None-Match wait for');
is($ask->(29, $changed->header('ETag'))->json->{status}, 'completed', 'and the next change is the end');
is($end->answer->json->{status}, 'completed', 'which all are told');
is($any->answer->{status}, 304, 'also one that has any of it');



=== TEST 6: HEAD waits as GET does
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url  = submit('/a?sleep=1')->json->{statusUrl};
my $head = request('HEAD', $url, headers => [Prefer => 'wait=29']);
is($head->{status}, 200, 'the status');
is($head->header('Retry-After'), undef, 'the job has ended');
is($head->header('ETag'), get($url)->header('ETag'), 'ETag');
is($head->{body}, '', 'no body');



=== TEST 7: the status location says how long may be waited
--- no_worker
--- config
    location /a      { async on; async_status_uri /jobs/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; async_wait 0 max=1s; }
    location /never/ { async_status; async_wait 0 max=0; }
--- check
my $id    = submit('/a')->json->{id};
my $start = time;
is(get("/jobs/$id", headers => [Prefer => 'wait=4294967295'])->json->{status}, 'queued', 'more is cut');
cmp_ok(time - $start, '<', 60, 'to that');
cmp_ok(time - $start, '>=', 0.9, 'but is waited for');
is(get("/never/$id", headers => [Prefer => 'wait=900'])->json->{status}, 'queued', '0: nobody waits');
cmp_ok(time - $start, '<', 60, 'at all');



=== TEST 8: several wait for one job, and several jobs are waited for
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @urls  = map { submit("/a?sleep=$_")->json->{statusUrl} } 2, 0.5, 1;
my @polls = map { my $url = $_; map { AsyncClient->get($t, $url, headers => [Prefer => 'wait=29']) } 1 .. 8 } @urls;
my @answers = map { $_->answer } @polls;
is(scalar(grep { $_ && $_->json->{status} eq 'completed' } @answers), 24, 'all are told');
is($answers[$_]->json->{statusUrl}, $urls[$_ / 8], 'of their job') for 0, 7, 8, 15, 16, 23;



=== TEST 9: a connection goes on after a wait, and with what was sent meanwhile
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url  = submit('/a?sleep=1')->json->{statusUrl};
my $poll = AsyncClient->get($t, $url, keep => 1, headers => [Prefer => 'wait=29']);
$poll->send("GET /jobs/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
my $all = do { local $/; readline $poll->socket };
like($all, qr/^HTTP\/1\.1 200 .*"status":"completed".*HTTP\/1\.1 404 .*job-not-found/s, 'two answers, in order');



=== TEST 10: a body of a poll is read away, and does not hinder it
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a?sleep=1')->json->{statusUrl};
is(get($url, headers => [Prefer => 'wait=29'], body => 'x' x 5000)->json->{status}, 'completed', 'it waits');
my $slow = AsyncClient->request($t, 'GET', submit('/a?sleep=2')->json->{statusUrl}, headers => [Prefer => 'wait=29', 'Content-Length' => 10]);
is($slow->answer->{status}, 200, 'one that does not come is not waited for');



=== TEST 11: a submit waits as long as async_wait says, and gets the backend's response
--- config
    location /a     { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a?sleep=1&status=201&size=100&header=X-One:1&header=X-One:2&header=Location:/made/7&header=Set-Cookie:a=b&header=Cache-Control:private&header=Content-Type:text/csv', body => 'x');
is($answer->{status}, 201, 'the status');
is($answer->{body}, AsyncTest::pattern(100), 'the body');
is($answer->header('Content-Type'), 'text/csv', 'Content-Type');
is_deeply([$answer->headers('X-One')], [1, 2], 'its fields');
is($answer->header('Set-Cookie'), 'a=b', 'its session, too');
is($answer->header('Async-Result'), 201, 'Async-Result');
is($answer->header($_), undef, "no $_ of ours") for qw(Retry-After ETag Preference-Applied);
is_deeply([$answer->headers('Cache-Control')], ['private'], 'Cache-Control is the backend\'s');
my ($url) = $answer->header('Link') =~ /^<(\/jobs\/[0-9a-f-]{36})>; rel="status"$/;
ok($url, 'Link');
is("/jobs/" . $answer->header('Async-Job-Id'), $url, 'Async-Job-Id');
my $job = get($url)->json;
is($job->{status}, 'completed', 'it is the result of a job');
my $result = get($job->{resultUrl});
is($result->{body}, $answer->{body}, 'which can be read again');
is($result->header('Location'), $answer->header('Location'), 'with the same Location');
is($result->header('Set-Cookie'), undef, 'without the session');
is(executions(), 1, 'the backend was asked once');



=== TEST 12: a submit waits as long as the client wants, up to the maximum
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /never { async on; async_wait 0 max=0; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /short { async on; async_wait 0 max=1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /long  { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $post = sub { request('POST', $_[0], body => 'x', headers => [Prefer => $_[1]]) };
is($post->('/a?sleep=1', 'wait=29')->header('Async-Result'), 200, 'the result');
is($post->('/a?sleep=10', 'wait=0')->{status}, 202, 'no wait: 202');
is($post->('/never?sleep=10', 'wait=9')->{status}, 202, 'waiting is off: 202');
is($post->('/long?sleep=10', 'wait=0')->{status}, 202, 'a client that does not want to');
my $late = $post->('/short?sleep=10', 'wait=900');
is($late->{status}, 202, 'longer than the maximum: 202');
is($late->json->{status}, 'processing', 'with the job as it is now');
is($late->header('Location'), 'http://127.0.0.1:' . $t->port . $late->json->{statusUrl}, 'Location');
is($late->header('Retry-After'), 5, 'Retry-After');
is($late->header('Cache-Control'), 'no-store', 'Cache-Control');
is($late->header($_), undef, "no $_") for qw(Async-Result Async-Job-Id Link);



=== TEST 13: a job that failed with a response answers with that
--- config
    location /a     { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $status (400, 404, 422, 500) {
    my $answer = request('POST', "/a?status=$status&size=10", body => 'x');
    is($answer->{status}, $status, "$status: the status");
    is($answer->{body}, AsyncTest::pattern(10), "$status: the body");
    is($answer->header('Async-Result'), $status, "$status: Async-Result");
    ok($answer->header('Link'), "$status: Link");
}



=== TEST 14: a job that failed without one answers with the problem that its result is
--- config
    location /gone  { async on; async_wait 29s; async_retry off; proxy_pass http://127.0.0.1:1; }
    location /slow  { async on; async_wait 29s; async_retry off; async_timeout 500ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for (['/gone', 502, 'backend-unreachable'], ['/slow?sleep=5', 504, 'timeout']) {
    my ($path, $status, $code) = @$_;
    my $answer = request('POST', $path, body => 'x');
    is($answer->{status}, $status, "$code: the status");
    is($answer->header('Content-Type'), 'application/problem+json', "$code: a problem");
    is($answer->json->{code}, $code, "$code: the code");
    is($answer->json->{jobId}, $answer->header('Async-Job-Id'), "$code: Async-Job-Id");
    is($answer->header('Link'), '</jobs/' . $answer->json->{jobId} . '>; rel="status"', "$code: Link");
    is($answer->header('Async-Result'), undef, "$code: no Async-Result");
    is($answer->json->{code}, get('/jobs/' . $answer->json->{jobId} . '/result')->json->{code}, "$code: as /result");
}



=== TEST 15: conditions and ranges of a submit are the backend's business
--- config
    location /a     { async on; async_methods GET POST; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $method (qw(GET POST)) {
    my $answer = request($method, '/a?size=100&header=ETag:%22x%22&header=Last-Modified:Thu,%2001%20Jan%202026%2000:00:00%20GMT', body => '',
                         headers => ['If-None-Match' => '"x"', 'If-Modified-Since' => 'Thu, 01 Jan 2026 00:00:00 GMT', Range => 'bytes=1-2']);
    is($answer->{status}, 200, "$method: 200");
    is($answer->{body}, AsyncTest::pattern(100), "$method: all of it");
    is($answer->header('ETag'), '"x"', "$method: the backend's ETag");
    is($answer->header('Accept-Ranges'), undef, "$method: no Accept-Ranges");
    my $not = request($method, '/a?size=100&header=ETag:%22x%22', body => '', headers => ['If-Match' => '"y"', 'If-Unmodified-Since' => 'Thu, 01 Jan 1970 00:00:01 GMT']);
    is($not->{status}, 200, "$method: no 412 of ours");
}



=== TEST 16: responses without a body, and those of HEAD
--- config
    location /a     { async on; async_methods HEAD POST; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $status (204, 304) {
    my $answer = request('POST', "/a?status=$status", body => 'x');
    is($answer->{status}, $status, "$status: the status");
    is($answer->{body}, '', "$status: no body");
    is($answer->header('Async-Result'), $status, "$status: Async-Result");
}
my $head = request('HEAD', '/a?size=100&header=X-One:1');
is($head->{status}, 200, 'HEAD: the status');
is($head->header('X-One'), 1, 'HEAD: the fields');
is($head->{body}, '', 'HEAD: no body');



=== TEST 17: large results are waited for as well
--- config
    location /a     { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $size (1_000, 262_144, 262_145, 5_000_000) {
    my $answer = request('POST', "/a?size=$size", body => 'x');
    is($answer->{status}, 200, "$size: the status");
    ok($answer->{body} eq AsyncTest::pattern($size), "$size: the body");
    is($answer->header('Async-Result'), 200, "$size: Async-Result");
    is($answer->header('Content-Length'), $size, "$size: its length");
}



=== TEST 18: a result that is damaged on the disk is no 503, which would say that there is no job
--- config
    location /a     { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $store = $t->store . '/spool';
my $post  = AsyncClient->post($t, '/a?size=2000000&drip=0.005');
my $file;
# it is damaged as soon as it is there: the checksum is made when it ends
ok(poll_until(20, sub { ($file) = grep { -s $_ } glob "$store/*/* $store/*"; $file && -f $file }), 'the result is being written');
open my $out, '+<', $file or die $!;
syswrite $out, 'damaged';
close $out;
my $answer = $post->answer;
is($answer->{status}, 202, '202');
is($answer->json->{status}, 'completed', 'and the job');
ok($answer->header('Location'), 'with its Location');
is($answer->header($_), undef, "no $_") for qw(Async-Result Link);
is(get($answer->json->{resultUrl})->{status}, 503, 'whose result is a 503');



=== TEST 19: a client that leaves while it waits leaves its job
--- config
    location /a     { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $before = $t->backend_stats->{answered};
my $post   = AsyncClient->post($t, '/a?sleep=1');
ok(poll_until(20, sub { executions() == 1 }), 'the job runs');
$post->leave;
like(logged(qr/"POST \/a.*" 499 /), qr/ 499 /, 'nginx notices it');
ok(poll_until(20, sub { $t->backend_stats->{answered} == $before + 1 }), 'the job goes on');



=== TEST 20: a poll whose client leaves ends
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; async_wait 0 max=900s; }
--- check
my $url  = submit('/a')->json->{statusUrl};
my $poll = AsyncClient->get($t, $url, headers => [Prefer => 'wait=900']);
ok(!$poll->answered(0.3), 'it waits');
$poll->leave;
like(logged(qr/"GET \/jobs.*" 499 /), qr/ 499 /, 'nginx notices it');
my $half = AsyncClient->get($t, $url, headers => [Prefer => 'wait=900']);
ok(!$half->answered(0.3), 'another waits');
shutdown $half->socket, 1;
ok($half->answered(20), 'half a connection is none, as for upstreams');



=== TEST 21: what the status location adds is added to a poll, what the submit location adds to a result that was waited for
--- config
    location /a     { async on; async_wait 29s; add_header X-Submit yes always; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; add_header X-Status yes always; }
--- check
my $answer = request('POST', '/a', body => 'x');
is($answer->header('X-Submit'), 'yes', 'of the submit location');
my ($url) = $answer->header('Link') =~ /<(.*)>/;
is(get($url, headers => [Prefer => 'wait=1'])->header('X-Status'), 'yes', 'of the status location');
is(get("$url/result")->header('X-Submit'), undef, 'and is not stored');



=== TEST 22: error_page does not replace what was waited for
--- config
    error_page 404 500 502 =200 /sorry;
    location /a     { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /gone  { async on; async_wait 29s; async_retry off; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
    location /sorry { return 200 "sorry"; }
--- check
is(request('POST', '/a?status=404', body => 'x')->{status}, 404, 'not that of a response');
is(request('POST', '/gone', body => 'x')->{status}, 502, 'nor of a problem');



=== TEST 23: an absolute async_status_uri is what Link says
--- config
    location /a     { async on; async_wait 29s; async_status_uri https://example.com/jobs/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a', body => 'x');
is($answer->header('Link'), '<https://example.com/jobs/' . $answer->header('Async-Job-Id') . '>; rel="status"', 'Link');



=== TEST 24: waiting clients take half of the connections at most
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; async_wait 0 max=900s; }
--- check
my $url   = submit('/a')->json->{statusUrl};
my @polls = map { AsyncClient->get($t, $url, headers => [Prefer => 'wait=900']) } 1 .. 32;
my $start = time;
# they are in the room when one more finds none
my $more = poll_until(20, sub {
    push @polls, AsyncClient->get($t, $url, headers => [Prefer => 'wait=900']);
    return $polls[-1]->answered(0.5) ? pop @polls : undef;
});
is($more->answer->json->{status}, 'queued', 'with the job as it is');
is(request('POST', '/a', body => 'x', headers => [Prefer => 'wait=29'])->{status}, 202, 'a submit gets its 202');
cmp_ok(time - $start, '<', 25, 'at once');
is(get($url)->{status}, 200, 'and all the rest works');
(shift @polls)->leave;
ok(poll_until(20, sub { my $poll = AsyncClient->get($t, $url, headers => [Prefer => 'wait=900']); !$poll->answered(0.5) }), 'who leaves makes room');



=== TEST 25: under prefer an answer that was waited for says that it depends on it
--- config
    location /a     { async prefer; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a?size=10', body => 'x', headers => [Prefer => 'respond-async']);
is($answer->{status}, 200, 'the result');
is($answer->header('Async-Result'), 200, 'of a job');
is($answer->header('Vary'), 'Prefer', 'Vary');
is($answer->header('Preference-Applied'), undef, 'no Preference-Applied: it is a synchronous answer');
my $large = request('POST', '/a?size=1000000', body => 'x', headers => [Prefer => 'respond-async']);
ok($large->{body} eq AsyncTest::pattern(1_000_000), 'a large one');
is_deeply([$large->headers('Vary')], ['Prefer'], 'Vary');
my $late = request('POST', '/a?sleep=5', body => 'x', headers => [Prefer => 'respond-async, wait=1']);
is($late->{status}, 202, 'a 202 after its wait');
is($late->header('Preference-Applied'), 'respond-async', 'has Preference-Applied');
is($late->header('Vary'), 'Prefer', 'and Vary');
my $sync = request('POST', '/a?sleep=1', body => 'x', headers => [Prefer => 'wait=29']);
is($sync->{status}, 200, 'wait alone is not asynchronous');
is($sync->header('Async-Job-Id'), undef, 'and makes no job');



=== TEST 26: async_wait is a time
--- config
    location /a     { async on; async_wait soon; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_wait" takes the time that the answer to a submit waits for its result, and the longest that a client may ask for: write "async_wait 0 max=30s" or other times



=== TEST 27: async_wait has a max and nothing else
--- config
    location /a     { async on; async_wait 1s min=2s; return 200; }
    location /jobs/ { async_status; }
--- refused: write "async_wait 0 max=30s" or other times



=== TEST 28: async_wait has a max that is a time
--- config
    location /a     { async on; async_wait 1s max=; return 200; }
    location /jobs/ { async_status; }
--- refused: write "async_wait 0 max=30s" or other times



=== TEST 29: async_wait is not longer than its max
--- config
    location /a     { async on; async_wait 1m; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_wait 1m" is longer than its max, which is 30s: write "async_wait 1m max=1m", or a shorter time



=== TEST 30: async_wait is given once
--- config
    location /a     { async on; async_wait 1s; async_wait 2s; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_wait" directive is duplicate



=== TEST 31: a key that was used before waits for the job that it named
--- config
    location /a     { async on; async_wait 29s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @key   = (headers => ['Idempotency-Key' => '"k"']);
my @posts = map { AsyncClient->post($t, '/a?sleep=1&size=10&status=201', @key) } 1 .. 3;
my @answers = map { $_->answer } @posts;
is($_->{status}, 201, 'the result') for @answers;
is(scalar(keys %{{ map { $_->header('Async-Job-Id') => 1 } @answers }}), 1, 'of one job');
is(scalar(grep { ($_->header('Idempotent-Replayed') // '') eq 'true' } @answers), 2, 'two are told that it was known');
my $again = request('POST', '/a?sleep=1&size=10&status=201', body => '', @key);
is($again->{status}, 201, 'and when it has ended, at once');
is($again->{body}, AsyncTest::pattern(10), 'with its body');
is($again->header('Idempotent-Replayed'), 'true', 'said to be known');
my $now = request('POST', '/a?sleep=1&size=10&status=201', body => '', headers => ['Idempotency-Key' => 'k', Prefer => 'wait=0']);
is($now->{status}, 202, 'a client that does not wait gets the job');
is($now->json->{status}, 'completed', 'as it is');
is($now->header('Idempotent-Replayed'), 'true', 'said to be known as well');
is(executions(), 1, 'the backend was asked once');



=== TEST 32: filters that change bodies work once on an answer that was waited for
--- http_config
    map $sent_http_content_type $by_type { default other; text/plain plain; "text/plain; charset=utf-8" plain; }
--- config
    location /a {
        async on;
        sub_filter 0 '0<!--# echo var="request_method" -->0';
        sub_filter_once off;
        sub_filter_types *;
        ssi on;
        ssi_types *;
        add_after_body /tail;
        addition_types *;
        charset utf-8;
        charset_types *;
        gzip on;
        gzip_types *;
        gzip_min_length 1;
        add_header X-Type $by_type always;
        proxy_pass http://$TEST_NGINX_BACKEND;
    }
    location /tail  { return 200 tail; }
    location /jobs/ { async_status; }
--- check
use IO::Uncompress::Gunzip qw(gunzip);
for my $status (200, 404) {
    my @wait   = (body => 'x', headers => [Prefer => 'wait=20']);
    my $waited = request('POST', "/a?size=64&status=$status&header=Content-Type:text/plain", @wait);
    is($waited->{status}, $status, "$status: waited for");
    my $id     = $waited->header('Async-Job-Id');
    my $stored = get("/jobs/$id/result");
    like($stored->{body}, qr/0POST0/, "$status: the replay was filtered");
    is(scalar(() = $stored->{body} =~ /tail/g), $status == 200 ? 1 : 0, "$status: by all of them");
    is($waited->{body}, $stored->{body}, "$status: and nothing more is done to it");
    is($waited->header($_), $stored->header($_), "$status: $_") for qw(Content-Type Content-Length);
    is($waited->header('X-Type'), 'plain', "$status: a header sees its type");
    push @wait, headers => [Prefer => 'wait=20', 'Accept-Encoding' => 'gzip'];
    my $zipped = request('POST', "/a?size=64&status=$status&header=Content-Type:text/plain", @wait);
    is($zipped->header('Content-Encoding'), 'gzip', "$status: gzip comes behind it");
    my $body = $zipped->{body};
    gunzip(\$body => \my $plain);
    is($plain, $stored->{body}, "$status: and holds the same");
}
