# Errors: every code has its status and one form (RFC 9457), for HEAD too,
# and error_page does not put a page of its own in their place.

use strict;
use warnings;

use AsyncNginx;

plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: of a submit
--- no_worker
--- http_config
    async_queue small max_queued=1;
--- config
    error_page 400 401 403 404 405 409 410 422 429 500 502 503 504 /page;
    async_status_uri /jobs/;
    location /page  { internal; return 200 "a page of the operator"; }
    location /q     { async on queue=small; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /key   { async on; async_idempotency $http_idempotency_key required; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /delay { async on; async_delay $arg_delay; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /where { async on; async_status_uri $arg_where; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /mine  { async on; async_owner $http_x_user; async_status_uri /owned/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
    location /owned/ { async_status; async_owner $http_x_user; }
--- check
sub problem {
    my ($answer, $name, $status, $code, %also) = @_;
    my $json  = eval { $answer->json } || {};
    my $retry = $status == 503 || $status == 429;
    is($answer->{status}, $status, "$name: the status");
    is($answer->header('Content-Type'), 'application/problem+json', "$name: Content-Type");
    is($answer->header('Content-Length'), length $answer->{body}, "$name: Content-Length");
    is($answer->header('Cache-Control'), 'no-store', "$name: Cache-Control");
    is(!!$answer->header('Retry-After'), !!$retry, "$name: Retry-After if it may be better soon");
    is_deeply([sort keys %$json], [sort qw(title status detail code), keys %also], "$name: its members");
    is($json->{code}, $code, "$name: the code");
    is($json->{status}, $status, "$name: the status in it");
    like($json->{title}, qr/^[A-Z][^.]+$/, "$name: a title");
    like($json->{detail}, qr/^[A-Z].*\.$/, "$name: a sentence");
    is($json->{$_}, $also{$_}, "$name: $_") for sort keys %also;
    unlike($answer->{body}, qr/127\.0\.0\.1/, "$name: no address");
}

my $id = submit('/q')->json->{id};
problem(request('POST', '/q'), 'a full queue', 503, 'queue-full');
problem(request('POST', '/key'), 'no key', 400, 'idempotency-key-missing');
problem(request('POST', '/key', headers => ['Idempotency-Key' => 'x' x 256]), 'a long key', 400, 'idempotency-key-invalid');
problem(request('POST', '/delay?delay=soon'), 'a bad delay', 400, 'delay-invalid');
problem(request('POST', '/mine'), 'no owner', 403, 'owner-required');
problem(request('POST', "/where$_"), "a place for jobs that is none ($_)", 400, 'query-invalid')
    for '', '?where=', '?where=/jobs', '?where=/' . 'x' x 600 . '/';
is(jobs(), 1, 'there is no job but the first');
is_deeply([grep { /\[error\]/ } split /\n/, AsyncTest::slurp($AsyncCheck::error_log)], [], 'what clients send is no error of the server');



=== TEST 2: of a job
--- config
    error_page 400 401 403 404 405 409 410 422 429 500 502 503 504 =200 /page;
    location /page  { internal; return 200 "a page of the operator"; }
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /gone  { async on; async_retention 0s failed=0s history=1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /delay { async on; async_delay 1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
sub problem {
    my ($method, $path, $name, $status, $code, %also) = @_;
    my $answer = request($method, $path);
    my $json   = eval { $answer->json } || {};
    is($answer->{status}, $status, "$name: the status");
    is($answer->header('Content-Type'), 'application/problem+json', "$name: Content-Type");
    is($answer->header('Cache-Control'), 'no-store', "$name: Cache-Control");
    is($answer->header('Retry-After'), undef, "$name: no Retry-After");
    is($answer->header('ETag'), undef, "$name: no ETag");
    is($answer->header('Async-Result'), undef, "$name: no Async-Result");
    is_deeply([sort keys %$json], [sort qw(title status detail code), keys %also], "$name: its members");
    is($json->{code}, $code, "$name: the code");
    is($json->{status}, $status, "$name: the status in it");
    like($json->{detail}, qr/^[A-Z].*\.$/, "$name: a sentence");
    is($json->{$_}, $also{$_}, "$name: $_") for sort keys %also;
    return if $method ne 'GET';

    my $head = request('HEAD', $path);
    is($head->{status}, $status, "$name: HEAD: the status");
    is($head->header($_), $answer->header($_), "$name: HEAD: $_") for qw(Content-Type Content-Length Cache-Control);
}

my $none = '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11';
problem('GET', "/jobs/$_", "/jobs/$_", 404, 'job-not-found') for $none, "$none/result", "$none/history", 'x', "$none/x";
problem('DELETE', "/jobs/$none", 'DELETE of none', 404, 'job-not-found');
problem('PUT', "/jobs/$none", 'PUT', 405, 'method-not-allowed');
problem('DELETE', "/jobs/$none/result", 'DELETE of a result', 405, 'method-not-allowed');

my $done = wait_job(submit('/a'));
problem('DELETE', $done->{statusUrl}, 'DELETE of what has ended', 409, 'job-finished', jobId => $done->{id});

my $gone = wait_job(submit('/gone'));
problem('GET', "$gone->{statusUrl}/result", 'past its retention', 410, 'result-gone', jobId => $gone->{id});

my $canceled = submit('/delay')->json;
is(request('DELETE', $canceled->{statusUrl})->{status}, 200, 'canceled');
problem('GET', "$canceled->{statusUrl}/result", 'no result of what was canceled', 409, 'job-canceled', jobId => $canceled->{id});



=== TEST 3: of a job that failed without a response
--- http_config
    async_queue slow concurrency=1;
--- config
    error_page 502 504 =200 /page;
    location /page  { internal; return 200 "a page of the operator"; }
    location /down  { async on; async_retry off; proxy_pass http://127.0.0.1:1; }
    location /slow  { async on; async_retry off; async_timeout 500ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /reset { async on; async_retry off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /large { async on; async_retry off; async_result_max 10; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /hold  { async on queue=slow; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /late  { async on queue=slow; async_start_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my %want = (
    '/down'                 => [502, 'backend-unreachable'],
    '/slow?sleep=20'        => [504, 'timeout'],
    '/reset?reset=before'   => [502, 'outcome-unknown'],
    '/large?size=100'       => [502, 'result-too-large'],
    '/late'                 => [502, 'start-timeout'],
);
submit('/hold?sleep=6');
my %job = map { $_ => submit($_)->json } sort keys %want;

for my $uri (sort keys %want) {
    my ($status, $code) = @{ $want{$uri} };
    my $url = $job{$uri}{statusUrl};
    my $job = wait_job($url);
    is($job->{error}{code}, $code, "$uri: in the document");
    is_deeply([sort keys %{ $job->{error} }], [qw(code detail)], "$uri: with a detail");
    my $answer = get("$url/result");
    my $json   = $answer->json;
    is($answer->{status}, $status, "$uri: the status");
    is($answer->header('Content-Type'), 'application/problem+json', "$uri: Content-Type");
    is_deeply([sort keys %$json], [sort qw(title status detail code jobId)], "$uri: its members");
    is($json->{code}, $code, "$uri: the code");
    is($json->{status}, $status, "$uri: the status in it");
    is($json->{jobId}, $job->{id}, "$uri: jobId");
    is($json->{detail}, $job->{error}{detail}, "$uri: the detail of the document");
    unlike($answer->{body}, qr/127\.0\.0\.1/, "$uri: no address");
    is(request('HEAD', "$url/result")->{status}, $status, "$uri: HEAD");
}



=== TEST 4: of a store that is full
--- store: size=16m
--- no_worker
--- config
    error_page 503 =200 /page;
    location /page  { internal; return 200 "a page of the operator"; }
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $body = AsyncTest::pattern(900_000);
my $answer;
for (1 .. 30) {
    $answer = request('POST', '/a', body => $body);
    last if $answer->{status} != 202;
}
is($answer->{status}, 503, 'the status');
is($answer->header('Content-Type'), 'application/problem+json', 'Content-Type');
ok($answer->header('Retry-After'), 'Retry-After');
is_deeply([sort keys %{ $answer->json }], [sort qw(title status detail code)], 'its members');
is($answer->json->{code}, 'store-full', 'the code');



=== TEST 5: of a store that cannot be used
--- no_worker
--- config
    error_page 503 =200 /page;
    location /page  { internal; return 200 "a page of the operator"; }
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $id = submit('/a')->json->{id};
rename "$t->{store_path}/db", "$t->{store_path}/away" or die $!;
my $answer;
ok(poll_until(20, sub { $answer = request('POST', '/a'); $answer->{status} != 202 }), 'it is noticed');
is($answer->{status}, 503, 'submit: the status');
is($answer->header('Content-Type'), 'application/problem+json', 'submit: Content-Type');
ok($answer->header('Retry-After'), 'submit: Retry-After');
is($answer->json->{code}, 'store-unavailable', 'submit: the code');
ok(!exists $answer->json->{outcome}, 'submit: it is certain that there is no job');
ok(poll_until(20, sub { $answer = get("/jobs/$id"); $answer->{status} == 503 }), 'status: the status');
is($answer->json->{code}, 'store-unavailable', 'status: the code');
ok($answer->header('Retry-After'), 'status: Retry-After');
