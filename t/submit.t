# What becomes a job, what the 202 says, and what is left alone.

use strict;
use warnings;

use AsyncNginx;

no_root_location();
plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: a POST becomes a job, and the 202 says where it lives
--- config
    location /reports { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/   { async_status; }
--- check
my $answer = submit('/reports?a=1', body => 'hello', host => 'shop.test');
my $json   = $answer->json;
my $id     = $json->{id};
like($id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'the id is a UUIDv7');
my $port = $t->port;
is($answer->header('Location'), "http://shop.test:$port/jobs/$id", 'Location');
is($answer->header('Retry-After'), 5, 'Retry-After');
is($answer->header('Cache-Control'), 'no-store', 'Cache-Control');
is($answer->header('Content-Type'), 'application/json', 'Content-Type');
is($answer->header('Async-Result'), undef, 'no Async-Result');
is($json->{status}, 'queued', 'status');
is($json->{queue}, 'default', 'queue');
is($json->{statusUrl}, "/jobs/$id", 'statusUrl');
like($json->{createdAt}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'createdAt');
ok(!exists $json->{$_}, "no $_") for qw(startedAt finishedAt expiresAt
    resultUrl resultStatus resourceUrl error percentComplete message attempt);

is(wait_job($answer)->{status}, 'completed', 'it is completed');
is(executions(), 1, 'it ran once');
is(jobs(), 1, 'it is one job');
my ($head, $body) = seen(1);
like($head, qr{^POST /reports\?a=1 HTTP/1\.[01]\r\n}, 'with its method and URI');
is($body, 'hello', 'with its body');
like($head, qr/^Async-Job-Id: $id\r$/m, 'the backend knows the job');
like($head, qr/^Async-Attempt: 1\r$/m, 'and the attempt');
like($head, qr/^Idempotency-Key: "$id"\r$/m, 'and has a key to tell it by');
unlike($head, qr/Async-Replay/i, 'but not what the worker is let in with');



=== TEST 2: a submit is accepted while no worker runs
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a');
is(get($answer->json->{statusUrl})->json->{status}, 'queued', 'it is queued');
is(jobs(), 1, 'it is in the store');
is(executions(), 0, 'it waits');



=== TEST 3: absolute_redirect off makes Location a path
--- no_worker
--- config
    absolute_redirect off;
    location /b     { async on; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/b');
is($answer->header('Location'), '/jobs/' . $answer->json->{id}, 'Location');
is(scalar(my @all = $answer->headers('Location')), 1, 'there is one');



=== TEST 4: port_in_redirect off leaves the port out of Location
--- no_worker
--- config
    port_in_redirect off;
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a', host => 'shop.test');
is($answer->header('Location'), 'http://shop.test/jobs/' . $answer->json->{id}, 'Location');



=== TEST 5: server_name_in_redirect puts the server's name into Location
--- server_name: first.test
--- no_worker
--- config
    server_name_in_redirect on;
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a', host => 'other.test');
like($answer->header('Location'), qr{^http://first\.test:\d+/jobs/}, 'Location');
unlike($answer->header('Location'), qr/other/, 'not what the client said');



=== TEST 6: without a Host Location has the address that was connected to
--- no_worker
--- config
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $answer = raw("POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx");
is($answer->{status}, 202, 'HTTP/1.0 is accepted');
my $port = $t->port;
like($answer->header('Location'), qr{^http://127\.0\.0\.1:$port/jobs/}, 'Location');



=== TEST 7: async_status_uri may hold variables
--- config
    location /a     { async on; async_status_uri /$arg_tenant/jobs/;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /north/jobs/ { async_status; }
    location /south/jobs/ { async_status; }
--- check
my $answer = submit('/a?tenant=south');
my $id = $answer->json->{id};
is($answer->json->{statusUrl}, "/south/jobs/$id", 'statusUrl');
like($answer->header('Location'), qr{//[^/]+/south/jobs/$id$}, 'Location');
my $job = wait_job($answer);
is($job->{statusUrl}, "/south/jobs/$id", 'statusUrl when it has ended');
is($job->{resultUrl}, "/south/jobs/$id/result", 'resultUrl');



=== TEST 8: async_status_uri may be absolute, and so are the URLs then
--- config
    location /a     { async on; async_status_uri https://api.test/v2/jobs/;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a');
my $id = $answer->json->{id};
is($answer->json->{statusUrl}, "https://api.test/v2/jobs/$id", 'statusUrl');
is($answer->header('Location'), "https://api.test/v2/jobs/$id", 'Location');
is(wait_job("/jobs/$id")->{resultUrl}, "https://api.test/v2/jobs/$id/result", 'resultUrl');



=== TEST 9: an async_status_uri that comes to nothing makes no job
--- config
    location /a     { async on; async_status_uri $arg_prefix;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a', body => 'x');
is($answer->{status}, 400, 'it is the request that does not say');
is($answer->json->{code}, 'query-invalid', 'which its client is told');
is($answer->header('Location'), undef, 'no Location');
is(request('POST', '/a?prefix=/evil', body => 'x')->{status}, 400, 'nor a prefix without its end');
like(error_logged(qr/gave 5 bytes/), qr/"async_status_uri"/, 'of which the message says no more than how long it is');
like(error_logged(qr/async_status_uri/), qr/\[info\] .*"async_status_uri" gave 0 bytes/, 'and the log, for who looks, why');
is(jobs(), 0, 'no job');
is(executions(), 0, 'no request');



=== TEST 10: async_retry_after is what the answers say
--- no_worker
--- config
    location /a     { async on; async_retry_after 2m; proxy_pass http://127.0.0.1:1; }
    location /b     { async on; async_retry_after auto; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a');
is($answer->header('Retry-After'), 120, 'on the 202');
is(get($answer->json->{statusUrl})->header('Retry-After'), 120, 'on its status');
is(get($answer->json->{statusUrl} . '/result')->header('Retry-After'), 120, 'on its result');
is(submit('/b')->header('Retry-After'), 5, 'auto: 5 while nothing is learned');



=== TEST 11: POST, PUT, PATCH and DELETE are intercepted, GET, HEAD and OPTIONS are not
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $method (qw(POST PUT PATCH DELETE)) {
    is(wait_job(submit('/a', method => $method))->{status}, 'completed', "$method is a job");
    like((seen())[0], qr{^$method /a }, "and runs as $method");
}
for my $method (qw(GET HEAD OPTIONS PROPFIND)) {
    my $answer = request($method, '/a');
    is($answer->{status}, 200, "$method is answered by the backend");
}
is(jobs(), 4, 'four jobs');
is(executions(), 8, 'eight requests');



=== TEST 12: async_methods replaces the list, also with methods that nginx does not know
--- config
    location /a     { async on; async_methods GET REPORT HEAD;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $method (qw(GET REPORT HEAD)) {
    my $answer = $t->request($method, '/a');
    is($answer->{status}, 202, "$method is accepted");
    is(wait_job($answer)->{status}, 'completed', 'and run');
    like((seen())[0], qr{^$method /a }, "as $method");
}
is(request('POST', '/a', body => '')->{status}, 200, 'POST is not');
is(jobs(), 3, 'three jobs');



=== TEST 13: async_bypass handles synchronously what is neither empty nor 0
--- config
    location /a     { async on; async_bypass $http_x_now $arg_now;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $sync = sub { request('POST', shift, body => 'x', headers => [@_])->{status} };
is($sync->('/a?now=1'), 200, 'set: synchronous');
is($sync->('/a', 'X-Now' => 'yes'), 200, 'the other one set: synchronous');
is($sync->('/a?now=00'), 200, '00 is not 0');
is($sync->('/a?now=0'), 202, '0: a job');
is($sync->('/a?now='), 202, 'empty: a job');
is($sync->('/a', 'X-Now' => '0'), 202, 'the other one 0: a job');
is(jobs(), 3, 'three jobs');



=== TEST 14: an Upgrade is left alone
--- config
    location /a     { async on; async_methods GET POST;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @upgrade = (headers => [Upgrade => 'websocket']);
is(request('GET', '/a', @upgrade)->{status}, 200, 'GET');
is(request('POST', '/a', body => 'x', @upgrade)->{status}, 200, 'POST');
is(jobs(), 0, 'no job');
is(executions(), 2, 'both came to the backend');



=== TEST 15: gRPC is left alone, what only looks like it is not
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $post = sub { request('POST', '/a', body => 'x', headers => ['Content-Type' => shift])->{status} };
is($post->('application/grpc'), 200, 'application/grpc');
is($post->('application/grpc+proto'), 200, 'application/grpc+proto');
is($post->('Application/gRPC;a=b'), 200, 'in capitals, with parameters');
is($post->('application/grpc-web'), 202, 'grpc-web is plain HTTP');
is(jobs(), 1, 'one job');



=== TEST 16: TRACE and CONNECT are refused as ever
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('TRACE', '/a')->{status}, 405, 'TRACE');
cmp_ok(request('CONNECT', 'a.test:80')->{status}, '>=', 400, 'CONNECT');
is(jobs(), 0, 'no job');



=== TEST 17: an empty body stays empty, whether it was announced or not
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /sync  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $fields = sub { join ' ', sort map { lc } grep { /^(?:content-length|transfer-encoding)/i } split /\r\n/, (seen())[0] };
for my $body (undef, '') {
    my $what = defined $body ? 'announced' : 'not announced';
    request('POST', '/sync', body => $body);
    my $expected = $fields->();
    wait_job(request('POST', '/a', body => $body));
    is((seen())[1], '', "$what: empty");
    is($fields->(), $expected, "$what: framed as a synchronous one");
}



=== TEST 18: a chunked body arrives whole
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = raw("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
is($answer->{status}, 202, 'accepted');
wait_job($answer);
is((seen())[1], 'abcde', 'arrived');
unlike((seen())[0], qr/^Trailer/mi, 'without what was of that connection');



=== TEST 19: a body in nginx's buffers, in its file, and larger than what is chunked
--- config
    client_body_buffer_size 16k;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /big   { async on; client_body_buffer_size 1m;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $size (1, 16384, 16385, 262144, 262145, 2_000_000) {
    my $body = AsyncTest::pattern($size);
    is(wait_job(submit('/a', body => $body))->{status}, 'completed', "$size bytes");
    ok((seen())[1] eq $body, 'byte for byte');
}
my $body = AsyncTest::pattern(300_000);
wait_job(submit('/big', body => $body));
ok((seen())[1] eq $body, 'byte for byte from a large buffer');
is(jobs(), 7, 'all whole in the store');



=== TEST 20: a body over client_max_body_size is 413 and no job
--- config
    location /a     { async on; client_max_body_size 10;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', body => 'x' x 11)->{status}, 413, 'announced');
is(raw("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" . 'x' x 11 . "\r\n0\r\n\r\n")->{status}, 413, 'chunked');
is(jobs(), 0, 'no job');
is(executions(), 0, 'no request');
is(request('POST', '/a', body => 'x' x 10)->{status}, 202, 'at the limit: accepted');



=== TEST 21: a body that does not come whole is no job
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port) or die $!;
print $socket "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfive.";
close $socket;
ok(logged(qr{POST /a}), 'the client has gone');
is(raw("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")->{status}, 400, 'a bad chunk');
is(jobs(), 0, 'no job');



=== TEST 22: Expect: 100-continue is answered and not repeated to the backend
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $port = $t->port;
my $out  = `curl -sS -m 20 --noproxy '*' -i -H 'Expect: 100-continue' -d hello http://127.0.0.1:$port/a`;
like($out, qr{^HTTP/1\.1 100 .*HTTP/1\.1 202 }s, '100, then 202');
my ($path) = $out =~ m{"statusUrl":"([^"]+)"};
wait_job($path);
unlike((seen())[0], qr/^Expect/mi, 'no Expect');
is((seen())[1], 'hello', 'the body');



=== TEST 23: requests of one connection become jobs of their own
--- config
    keepalive_timeout 20s;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $post   = sub { "POST /a?$_[0] HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n$_[0]" };
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port) or die $!;
print $socket $post->('one'), $post->('two'), "GET /a?end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
my $answers = do { local $/; <$socket> };
is_deeply([$answers =~ m{HTTP/1.1 (\d+)}g], [202, 202, 200], 'answers, in order');
is(poll_until(10, sub { executions() == 3 }), 1, 'three requests came to the backend');
is(jobs(), 2, 'two of them jobs');
is_deeply([sort map { (seen($_))[1] } 1 .. 3], ['', 'one', 'two'], 'with their bodies');



=== TEST 24: fields that belong to one connection, and conditions, are not repeated
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @gone = ('Keep-Alive' => 'a', TE => 'trailers', 'Proxy-Connection' => 'a', Expect => '', 'Accept-Encoding' => 'gzip', Range => 'bytes=0-1', 'If-Match' => '"a"', 'If-None-Match' => '"a"', 'If-Modified-Since' => 'a', 'If-Unmodified-Since' => 'a', 'If-Range' => '"a"');
wait_job(submit('/a', headers => [@gone, Accept => 'text/plain', 'X-A' => '1', 'x-a' => '2', 'X-Empty' => '', Cookie => 'a=b', Authorization => 'Basic YTpi']));
my ($head) = seen();
while (my ($name) = splice @gone, 0, 2) {
    unlike($head, qr/^\Q$name\E:/mi, "no $name");
}
like($head, qr/^X-A: 1\r\n(?:.*\r\n)*x-a: 2\r$/m, 'duplicates stay, in order');
like($head, qr/^X-Empty: ?\r$/m, 'an empty one stays');
like($head, qr/^$_: /m, "$_ stays") for qw(Accept Cookie Authorization);



=== TEST 25: async_drop_header leaves fields out, whatever case they come in
--- config
    location /a     { async on; async_drop_header X-Secret Cookie;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a', headers => ['x-SECRET' => 'a', 'X-Secret' => 'b', Cookie => 'a=b', 'X-Secrets' => 'c']));
my ($head) = seen();
unlike($head, qr/^(?:X-Secret|Cookie):/mi, 'left out');
like($head, qr/^X-Secrets: c\r$/m, 'another stays');



=== TEST 26: Async fields of a client never reach the backend of a job, wherever they stand
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @rest = ('Host: a', 'X-One: 1', 'Content-Length: 1', 'X-Two: 2');
my @many = map { "X-Many-$_: $_" } 1 .. 36;
my %order = (
    first    => ['Async-Job-Id: forged', @rest],
    middle   => [@rest[0, 1], 'async-attempt: 9', @rest[2, 3]],
    last     => [@rest, 'ASYNC-REPLAY: forged'],
    several  => ['Async-A: 1', @rest[0, 1], 'Async-B: 2', 'Async-C: 3', @rest[2, 3], 'Async-D: 4'],
    'twentieth' => [@rest, @many[0 .. 14], 'Async-E: 1'],
    'twenty-first' => [@rest, @many[0 .. 15], 'Async-E: 1'],
    'twenty-first of many' => [@rest, @many[0 .. 15], 'Async-E: 1', @many[16 .. 35]],
    'fortieth of many' => [@rest, @many[0 .. 34], 'Async-E: 1', 'Async-F: 1', $many[35]],
);
for my $where (sort keys %order) {
    my @lines  = @{ $order{$where} };
    my $answer = raw(join("\r\n", 'POST /a HTTP/1.1', @lines, '', '') . 'x');
    is($answer->{status}, 202, "$where: accepted");
    wait_job($answer);
    my ($head, $body) = seen();
    my $id = $answer->json->{id};
    is_deeply([sort grep { /^async-/i } split /\r\n/, $head], ['Async-Attempt: 1', "Async-Job-Id: $id"], "$where: only ours");
    is_deeply([grep { /^X-/ } split /\r\n/, $head], [grep { /^X-/ } @lines], "$where: the others stay, in order");
    is($body, 'x', "$where: the body");
}



=== TEST 27: Async fields of a client never reach the backend of a plain request there
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @rest = ('Host: a', 'X-One: 1', 'X-Two: 2');
my @many = map { "X-Many-$_: $_" } 1 .. 17;
my %order = (
    first   => ['Async-Job-Id: forged', @rest],
    middle  => [@rest[0, 1], 'async-attempt: 9', $rest[2]],
    last    => [@rest, 'ASYNC-REPLAY: forged'],
    'twenty-first' => [@rest, @many, 'Async-E: 1'],
);
for my $where (sort keys %order) {
    my @lines = @{ $order{$where} };
    is(raw(join("\r\n", 'GET /a HTTP/1.1', @lines, 'Connection: close', '', ''))->{status}, 200, $where);
    my ($head) = seen();
    unlike($head, qr/^async-/mi, "$where: taken off");
    is_deeply([grep { /^X-/ } split /\r\n/, $head], [grep { /^X-/ } @lines], "$where: the others stay, in order");
}
is(raw("GET /a HTTP/1.0\r\nAsync-Job-Id: forged\r\n\r\n")->{status}, 200, 'only');
unlike((seen())[0], qr/^async-/mi, 'only: taken off');
is(raw("GET /a HTTP/1.0\r\nAsync-A: 1\r\nAsync-B: 2\r\n\r\n")->{status}, 200, 'only two');
unlike((seen())[0], qr/^async-/mi, 'only two: taken off');



=== TEST 28: Async fields pass where async is off
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /off   { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
get('/off', headers => ['Async-Own' => 'theirs']);
like((seen())[0], qr/^Async-Own: theirs\r$/m, 'untouched');



=== TEST 29: a client's Idempotency-Key is the one that the backend sees
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a', headers => ['idempotency-key' => '"r-1"']));
my @keys = grep { /^idempotency-key:/i } split /\r\n/, (seen())[0];
is_deeply(\@keys, ['idempotency-key: "r-1"'], 'once');



=== TEST 30: a full queue is 503, and the others go on
--- no_worker
--- http_config
    async_queue tiny max_queued=2;
--- config
    location /tiny  { async on queue=tiny; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
submit('/tiny') for 1 .. 2;
my $answer = request('POST', '/tiny', body => 'x');
is($answer->{status}, 503, 'one too many');
is($answer->header('Content-Type'), 'application/problem+json', 'a problem');
is($answer->json->{code}, 'queue-full', 'its code');
is($answer->json->{status}, 503, 'its status');
ok($answer->header('Retry-After'), 'may be tried again');
is($answer->header('Location'), undef, 'no Location');
is(request('POST', '/a', body => 'x')->{status}, 202, 'another queue accepts');
is(jobs(), 3, 'three jobs');



=== TEST 31: a queue that was full accepts again when its jobs have run
--- http_config
    async_queue tiny max_queued=1;
--- config
    location /tiny  { async on queue=tiny; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $n (1 .. 3) {
    my $answer = poll_until(10, sub {
        my $answer = request('POST', '/tiny', body => 'x');
        return $answer->{status} == 202 ? $answer : undef;
    });
    is(wait_job($answer)->{status}, 'completed', "job $n");
}



=== TEST 32: a problem of ours is not replaced by error_page
--- no_worker
--- http_config
    async_queue tiny max_queued=1;
--- config
    error_page 503 =200 /sorry;
    location /tiny  { async on queue=tiny; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    location /sorry { return 200 "sorry"; }
--- check
submit('/tiny');
my $answer = request('POST', '/tiny', body => 'x');
is($answer->{status}, 503, 'the status');
is($answer->json->{code}, 'queue-full', 'the document');



=== TEST 33: async off inside an async location is synchronous
--- config
    async on;
    location /a       { proxy_pass http://$TEST_NGINX_BACKEND;
        location /a/now { async off; proxy_pass http://$TEST_NGINX_BACKEND; } }
    location /jobs/   { async_status; }
--- check
is(request('POST', '/a/now', body => 'x')->{status}, 200, 'inside: synchronous');
is(request('POST', '/a', body => 'x')->{status}, 202, 'outside: a job');
is(jobs(), 1, 'one job');



=== TEST 34: an async server leaves our own endpoint alone
--- config
    async on;
    async_methods GET POST;
    location /a     { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/jobs/', body => 'x')->{status}, 405, 'a POST there is no job');
ok(poll_until(10, sub { get('/jobs/')->{status} == 404 }), 'nor is a GET, once the store is open');
is(jobs(), 0, 'no job');



=== TEST 35: the method of a job that nginx cannot name is kept
--- config
    location /a     { async on; async_methods M-SEARCH;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('M-SEARCH', '/a', body => 'find');
is($answer->{status}, 202, 'accepted');
is(wait_job($answer)->{status}, 'completed', 'run');
like((seen())[0], qr{^M-SEARCH /a }, 'as it came');



=== TEST 36: the raw URI reaches the backend as it was sent
--- config
    location /      { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $uri ('/a%2Fb/%7euser?q=%20a&&=', '//a///b/', '/a/../b/./c', '/caf%C3%A9?', '/a;b=c,d') {
    my $answer = submit($uri);
    wait_job($answer);
    my ($target) = (seen())[0] =~ /^\S+ (\S+) /;
    is($target, $uri, $uri);
}



=== TEST 37: async_status_uri takes no line break and no half a prefix from a client
--- config
    location /a     { async on; async_status_uri /jobs$uri/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_status_uri /jobs/$arg_p; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /c     { async on; async_status_uri $arg_p; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a/%0d%0aX-Injected:%20yes', body => 'x');
is($answer->{status}, 400, 'a line break is refused');
is($answer->header('X-Injected'), undef, 'and not sent');
is(request('POST', '/b?p=x', body => 'x')->{status}, 400, 'so is what does not end in a slash');
is(request('POST', '/b?p=x/', body => 'x')->{status}, 202, 'what does is taken');
is(jobs(), 1, 'one job');
is(request('POST', "/c?p=$_", body => 'x')->{status}, 400, "'$_' is neither a path nor a URL")
    for 'jobs/', 'javascript:x/', '//other.example/jobs/', 'http:///jobs/', 'https://', '/jobs/?/', '/\\other.example/';
is(jobs(), 1, 'nor is it a job');
is(request('POST', '/c?p=HTTPS://api.test/jobs/', body => 'x')->{status}, 202, 'a URL is taken');



=== TEST 38: a Host that makes async_status_uri too long is told to that client alone
--- config
    location /a     { async on; async_status_uri http://$host/jobs/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', host => 'a' x 600, body => 'x')->{status}, 400, 'refused');
is(jobs(), 0, 'no job');
unlike(AsyncTest::slurp($AsyncCheck::error_log), qr/\[(?:warn|error)\] .*async_status_uri/, 'the log of all has no word of it');
is(request('POST', '/a', host => 'a' x 400, body => 'x')->{status}, 202, 'a shorter one is taken');
