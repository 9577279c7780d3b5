# The job resource: its document, who it does not exist for, and what may be
# done with it.

use strict;
use warnings;

use AsyncNginx;

plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: a job that nobody has taken is queued
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $accepted = submit('/a')->json;
my $answer   = get($accepted->{statusUrl});
is($answer->{status}, 200, 'the status');
is($answer->header('Content-Type'), 'application/json', 'Content-Type');
is($answer->header('Cache-Control'), 'no-cache', 'Cache-Control');
is($answer->header('Retry-After'), 5, 'Retry-After');
is($answer->header('Async-Result'), undef, 'no Async-Result');
is_deeply($answer->json, $accepted, 'the document is that of the 202');
my $json = $answer->json;
is_deeply([sort keys %$json], [sort qw(id status queue maxAttempts createdAt statusUrl eventsUrl)], 'a field with no value is left out');
is($json->{status}, 'queued', 'status');



=== TEST 2: a job that runs is processing, with its attempt and its start
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a?sleep=2')->json->{statusUrl};
my $answer;
ok(poll_until(10, sub { $answer = get($url); $answer->json->{status} eq 'processing' }), 'it is processing');
my $json = $answer->json;
is($json->{attempt}, 1, 'attempt');
is($answer->header('Retry-After'), 5, 'Retry-After');
cmp_ok($json->{startedAt}, 'ge', $json->{createdAt}, 'startedAt');
ok(!exists $json->{$_}, "no $_") for qw(finishedAt expiresAt resultUrl resultStatus error);
is(wait_job($url)->{status}, 'completed', 'then it is completed');



=== TEST 3: a completed job says where its result and its resource are
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a?status=201&header=Location:http://shop.test/made/7')->json->{statusUrl};
my $json = wait_job($url);
is($json->{status}, 'completed', 'status');
is($json->{resultUrl}, "$url/result", 'resultUrl');
is($json->{resultStatus}, 201, 'resultStatus');
is($json->{resourceUrl}, 'http://shop.test/made/7', 'resourceUrl');
is($json->{statusUrl}, $url, 'statusUrl');
is($json->{attempt}, 1, 'attempt');
is($json->{maxAttempts}, 5, 'maxAttempts');
my $time = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
like($json->{$_}, $time, $_) for qw(createdAt startedAt finishedAt expiresAt);
cmp_ok($json->{startedAt}, 'le', $json->{finishedAt}, 'started before it finished');
cmp_ok($json->{finishedAt}, 'lt', $json->{expiresAt}, 'kept for a while');
ok(!exists $json->{error}, 'no error');
is(get($url)->header('Retry-After'), undef, 'no Retry-After');



=== TEST 4: a job that the backend refused has failed, with its answer
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $status (400, 404, 409, 500, 503) {
    my $json = wait_job(submit("/a?status=$status&header=Location:http://a.test/"));
    is($json->{status}, 'failed', "$status: failed");
    is($json->{resultStatus}, $status, "$status: resultStatus");
    is($json->{error}{code}, 'backend-status', "$status: the code");
    like($json->{error}{detail}, qr/\b$status\b/, "$status: a sentence");
    ok($json->{resultUrl}, "$status: resultUrl");
    ok(!exists $json->{resourceUrl}, "$status: no resourceUrl");
}



=== TEST 5: a job whose backend cannot be reached has failed, without a result
--- config
    location /a     { async on; async_retry off; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $json = wait_job(submit('/a'));
is($json->{status}, 'failed', 'failed');
is($json->{maxAttempts}, 1, 'one attempt');
is($json->{error}{code}, 'backend-unreachable', 'the code');
ok($json->{error}{detail}, 'a sentence');
unlike($json->{error}{detail}, qr/127\.0\.0\.1|:1\b/, 'without the address of the backend');
ok(!exists $json->{$_}, "no $_") for qw(resultUrl resultStatus);



=== TEST 6: a job whose backend broke the connection has an unknown outcome
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $how ('reset=before', 'reset=after&size=100000', 'size=100000&cut=10') {
    my $before = executions();
    my $json = wait_job(submit("/a?$how"));
    is($json->{status}, 'failed', "$how: failed");
    is($json->{error}{code}, 'outcome-unknown', "$how: the code");
    ok(!exists $json->{$_}, "$how: no $_") for qw(resultUrl resultStatus);
    is(executions(), $before + 1, "$how: a POST is not sent again");
}



=== TEST 7: unknown, malformed and damaged ids are one and the same 404
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $id = submit('/a')->json->{id};
wait_job("/jobs/$id");
my $first;
for my $path ('0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11', '0192f3c1-7a9b-4c3e-9d2f-1b5e0c8a4d11',
              substr($id, 0, 14) . '4' . substr($id, 15), substr($id, 0, 19) . 'c' . substr($id, 20),
              '', 'x', substr($id, 0, 35), "${id}0", "$id/", "$id/results", "$id/result/", "$id/resul", "$id/RESULT",
              "$id/result/more", "$id%20", "{$id}", $id =~ s/-//gr, $id =~ s/^(.{8})-/$1_/r, $id =~ s/^./g/r,
              "x$id", 'a' x 5000) {
    my $answer = get("/jobs/$path");
    my $what   = length $path > 60 ? 'a long one' : "'$path'";
    is($answer->{status}, 404, "$what: 404");
    $first //= $answer->{body};
    is($answer->{body}, $first, "$what: the same document");
}



=== TEST 8: an id is understood in capitals too, and query arguments are ignored
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $id = submit('/a')->json->{id};
my $json = wait_job("/jobs/$id");
is_deeply(get('/jobs/' . uc $id)->json, $json, 'in capitals');
is_deeply(get("/jobs/$id?unknown=1&wait")->json, $json, 'with arguments');
is(get('/jobs/' . uc($id) . '/result?x=y')->{status}, 200, 'its result');
is_deeply(get("/jobs/%30" . substr $id, 1)->json, $json, 'with a digit escaped');



=== TEST 9: a problem is a problem document
--- config
    error_page 404 =200 /sorry;
    location /jobs/ { async_status; }
    location /sorry { return 200 "sorry"; }
--- check
my $answer = get('/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11');
is($answer->{status}, 404, 'error_page does not hide it');
is($answer->header('Content-Type'), 'application/problem+json', 'Content-Type');
is($answer->header('Cache-Control'), 'no-store', 'Cache-Control');
my $json = $answer->json;
is_deeply([sort keys %$json], [qw(code detail status title)], 'its fields');
is($json->{code}, 'job-not-found', 'code');
is($json->{status}, 404, 'status');
ok(length $json->{title} && length $json->{detail}, 'title and detail are sentences');



=== TEST 10: HEAD answers as GET does, without the document
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
for my $path ($url, "$url/result", '/jobs/none') {
    my $get  = get($path);
    my $head = request('HEAD', $path);
    my $same = sub { join "\n", sort grep { !/^Date/ } split /\r\n/, $_[0]{head} };
    is($same->($head), $same->($get), "$path: the same head");
    is($head->{body}, '', "$path: no body");
}



=== TEST 11: OPTIONS says what is allowed
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $id = submit('/a')->json->{id};
my %allow = ("/jobs/$id" => 'GET, HEAD, DELETE, OPTIONS', "/jobs/$id/result" => 'GET, HEAD, OPTIONS');
for my $path (sort keys %allow) {
    my $answer = request('OPTIONS', $path);
    is($answer->{status}, 204, "$path: 204");
    is($answer->header('Allow'), $allow{$path}, "$path: Allow");
    is($answer->{body}, '', "$path: no body");
}



=== TEST 12: other methods are 405, say what is allowed, and do nothing
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $id = submit('/a')->json->{id};
my $json = wait_job("/jobs/$id");
my %allow = ("/jobs/$id" => 'GET, HEAD, DELETE, OPTIONS', "/jobs/$id/result" => 'GET, HEAD, OPTIONS');
for my $method (qw(POST PUT PATCH PROPFIND M-SEARCH)) {
    for my $path (sort keys %allow) {
        my $answer = request($method, $path, body => 'x' x 10);
        is($answer->{status}, 405, "$method $path: 405");
        is($answer->header('Allow'), $allow{$path}, "$method $path: Allow");
        is($answer->json->{code}, 'method-not-allowed', "$method $path: code");
    }
}
is_deeply(get("/jobs/$id")->json, $json, 'the job is what it was');
is(jobs(), 1, 'and the only one');



=== TEST 13: a status location of another server serves the job as well
--- http_config
    server {
        listen $TEST_NGINX_PORT_2;
        location /other/ { async_status; }
    }
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $id = submit('/a')->json->{id};
my $json = wait_job("/jobs/$id");
is_deeply(get("/other/$id", port => 2)->json, $json, 'the same document');
is(get("/other/$id/result", port => 2)->{status}, 200, 'and the result');



=== TEST 14: the document can be read over one connection while the job goes on
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
wait_job($url);
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port) or die $!;
print $socket "GET $url HTTP/1.1\r\nHost: a\r\n\r\n" x 3, "GET $url HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
my $answers = do { local $/; <$socket> };
is(scalar(() = $answers =~ /"status":"completed"/g), 4, 'four requests, four documents');



=== TEST 15: the document has an ETag, and 304 says that nothing has changed
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url  = submit('/a')->json->{statusUrl};
my $etag = get($url)->header('ETag');
like($etag, qr/^"[^"]+"$/, 'ETag');
is(get($url)->header('Vary'), 'Accept', 'Vary');
my $same = get($url, headers => ['If-None-Match' => $etag]);
is($same->{status}, 304, 'If-None-Match');
is($same->header('Retry-After'), 5, 'Retry-After all the same');
is(get($url, headers => ['If-None-Match' => '"other"'])->{status}, 200, 'another one');



=== TEST 16: a change of the job changes its ETag
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url  = submit('/a?sleep=1')->json->{statusUrl};
poll_until(10, sub { get($url)->json->{status} eq 'processing' });
my $etag = get($url)->header('ETag');
wait_job($url);
my $after = get($url, headers => ['If-None-Match' => $etag]);
is($after->{status}, 200, 'no 304');
isnt($after->header('ETag'), $etag, 'another ETag');
