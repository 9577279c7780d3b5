# async_forget: accepted before it is stored, and nobody is told of it.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a 202 that says nothing, and a request that runs
--- config
    location /a     { async on; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a?x=1', headers => ['Content-Type' => 'text/plain'], body => 'the body');
is($answer->{status}, 202, 'the status');
is($answer->{body}, '', 'no body');
is($answer->header('Content-Length'), 0, 'Content-Length');
is($answer->header('Cache-Control'), 'no-store', 'Cache-Control');
is($answer->header($_), undef, "no $_") for qw(Location Operation-Location Retry-After Content-Type Preference-Applied);
ok(poll_until(20, sub { executions() == 1 }), 'the backend gets it');
my ($head, $body) = seen();
like($head, qr{^POST /a\?x=1 }, 'the request line');
is($body, 'the body', 'the body');
ok(poll_until(20, sub { jobs() == 0 }), 'and nothing of it is left');



=== TEST 2: bodies of any size, and of no size
--- config
    location /a     { async on; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $n = 0;
for my $size (0, 1, 5_000, 40_000, 300_000, 1_000_000) {
    my $body = AsyncTest::pattern($size);
    is(request('PUT', "/a?size=1&n=$size", body => $body)->{status}, 202, "$size: 202");
    ok(poll_until(20, sub { executions() == $n + 1 }), "$size: it runs");
    $n++;
    ok((seen())[1] eq $body, "$size: the body");
}
ok(poll_until(20, sub { jobs() == 0 }), 'nothing is left');



=== TEST 3: its job is not there, whoever asks
--- no_worker
--- config
    location /a     { async on; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
request('POST', '/a');
my $id;
ok(poll_until(20, sub {
    my $jobs = `@{[AsyncTest::top()]}/build/store-probe jobs $t->{store_path}`;
    ($id) = $jobs =~ /"id":"([^"]+)"/;
}), 'it is in the store');
for my $path ("/jobs/$id", "/jobs/$id/result", "/jobs/$id/history") {
    my $answer = get($path);
    is($answer->{status}, 404, "$path: the status");
    is($answer->json->{code}, 'job-not-found', "$path: the code");
}
is(request('DELETE', "/jobs/$id")->{status}, 404, 'DELETE: the status');
is(jobs(), 1, 'it is still there');



=== TEST 4: its retries are as ever, and a failure leaves nothing either
--- config
    location /a     { async on; async_forget on; async_retry 3 backoff=50ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
request('PUT', '/a?fail=2');
ok(poll_until(20, sub { executions() == 3 }), 'the third attempt');
ok(poll_until(20, sub { jobs() == 0 }), 'completed: nothing is left');
request('PUT', '/a?status=500');
ok(poll_until(20, sub { executions() == 6 }), 'three attempts more');
ok(poll_until(20, sub { jobs() == 0 }), 'failed: nothing is left');



=== TEST 5: no status location is needed
--- config
    location /a { async on; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
--- check
is(request('POST', '/a')->{status}, 202, 'accepted');
ok(poll_until(20, sub { executions() == 1 }), 'it runs');



=== TEST 6: with prefer, for who asks
--- config
    location /a { async prefer; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
--- check
my $answer = request('POST', '/a', headers => [Prefer => 'respond-async, wait=5']);
is($answer->{status}, 202, 'who asks');
is($answer->header('Preference-Applied'), 'respond-async', 'is told');
is($answer->header('Vary'), 'Prefer', 'Vary');
is(request('POST', '/a?status=201')->{status}, 201, 'who does not ask');



=== TEST 7: what is wrong with the request itself is said
--- config
    location /a     { async on; async_forget on; async_owner $http_x_user; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; async_owner $http_x_user; }
--- check
my $answer = request('POST', '/a');
is($answer->{status}, 403, 'no owner: the status');
is($answer->json->{code}, 'owner-required', 'no owner: the code');
$answer = request('POST', '/a', headers => ['X-User' => 'me', 'Idempotency-Key' => '']);
is($answer->{status}, 400, 'a bad key: the status');
is(request('POST', '/a', headers => ['X-User' => 'me'])->{status}, 202, 'a good one');
ok(poll_until(20, sub { executions() == 1 && jobs() == 0 }), 'runs');



=== TEST 8: what is lost is counted, a line a second
--- no_worker
--- http_config
    async_queue small max_queued=1;
--- config
    location /a     { async on queue=small; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
--- check
is(request('POST', '/a')->{status}, 202, 'the first');
ok(poll_until(20, sub { jobs() == 1 }), 'is stored');
is(request('POST', '/a')->{status}, 202, 'others are accepted') for 1 .. 20;
my ($lost, @lines);
ok(poll_until(20, sub {
    @lines = grep { /async_forget: \d+ accepted/ } split /\n/, AsyncTest::slurp($AsyncCheck::error_log);
    $lost  = 0;
    $lost += $_ for map { /async_forget: (\d+) accepted/ } @lines;
    $lost == 20;
}), 'and each is counted') or diag(explain(\@lines));
like($lines[0], qr/\[error\] .*async_forget: 1 accepted request was lost \(the last: queue-full\)/, 'the first at once');
is(jobs(), 1, 'one job');



=== TEST 9: a key that another request had drops the request, and is no error
--- config
    location /a { async on; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
--- check
my @key = (headers => ['Idempotency-Key' => 'k']);
is(request('POST', '/a', @key, body => 'one')->{status}, 202, 'the first');
is(request('POST', '/a', @key, body => 'two')->{status}, 202, 'the other');
is(request('POST', '/a', @key, body => 'one')->{status}, 202, 'the first again');
ok(poll_until(20, sub { AsyncTest::slurp($AsyncCheck::error_log) =~ /\[info\] .*accepted request is dropped \(key-reused\)/ }), 'said, to who wants to know');
ok(poll_until(20, sub { executions() == 1 }), 'one runs');
unlike(AsyncTest::slurp($AsyncCheck::error_log), qr/ was lost| were lost/, 'none was lost');



=== TEST 10: a configuration with it warns
--- config
    location /a     { async on; async_forget on; return 200; }
    location /b     { async on; async_forget off; return 200; }
    location /jobs/ { async_status; }
--- check
my ($code, $said) = nginx_t();
is($code, 0, 'it is sound');
like($said, qr{\[warn\] .*"async_forget" is on in location "/a": a request that was accepted there can be lost}, 'and warns');
unlike($said, qr{location "/b"}, 'of that location alone');



=== TEST 11: what a client relies on excludes it
--- config
    async_idempotency $http_idempotency_key required;
    location /a     { async on; async_forget on; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_forget" and "async_idempotency ... required" exclude each other in location "/a"



=== TEST 12: what a client waits for excludes it
--- config
    async_wait 5s;
    location /a     { async on; async_forget on; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_forget" and "async_wait" exclude each other in location "/a"



=== TEST 13: it is on or off
--- config
    location /a     { async on; async_forget yes; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid value "yes" in "async_forget" directive, it must be "on" or "off"



=== TEST 14: it is in no list of its owner's either
--- no_worker
--- config
    async_owner $http_x_user;
    location /a     { async on; async_forget on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @ann = (headers => ['X-User' => 'ann']);
is(request('POST', '/a', @ann)->{status}, 202, 'accepted');
ok(poll_until(20, sub { jobs() == 1 }), 'and stored');
my $id = submit('/b', @ann)->json->{id};
for my $query ('', '?status=queued', '?queue=default', '?limit=200') {
    is_deeply([map { $_->{id} } @{ get("/jobs/$query", @ann)->json->{jobs} }], [$id], "/jobs/$query: only the other");
}
is_deeply(get('/jobs/?limit=1', @ann)->json->{jobs}[1], undef, 'nor does a small page show it');
