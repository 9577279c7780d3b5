# async prefer: asynchronous where the client asks for it (RFC 7240), and as
# ever where it does not; and what answers say of that.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: who asks for respond-async gets a job
--- config
    location /a     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a?status=201', headers => [Prefer => 'respond-async'], body => 'b');
is($answer->{status}, 202, 'the status');
is($answer->header('Preference-Applied'), 'respond-async', 'Preference-Applied');
is_deeply([$answer->headers('Vary')], ['Prefer'], 'Vary');
is($answer->header('Cache-Control'), 'no-store', 'Cache-Control');
my $job = wait_job($answer);
is($job->{status}, 'completed', 'the job completes');
my $result = get($job->{resultUrl});
is($result->{status}, 201, 'the result');
is($result->header('Vary'), undef, 'the result does not vary');
is($result->header('Preference-Applied'), undef, 'and applies no preference');
is(get($job->{statusUrl})->header('Vary'), 'Accept', 'nor does the status');



=== TEST 2: who does not ask gets the backend's answer
--- config
    location /a     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $prefer (undef, '', 'wait=5', 'return=minimal', 'respond-asynchronously', '"respond-async"', 'respond-async=no', 'handling="respond-async"') {
    my $name   = $prefer // 'without';
    my $answer = request('POST', '/a?status=201', headers => [defined $prefer ? (Prefer => $prefer) : ()], body => 'b');
    is($answer->{status}, 201, "$name: the status");
    is($answer->json->{length}, 1, "$name: the answer");
    is_deeply([$answer->headers('Vary')], ['Prefer'], "$name: Vary");
    is($answer->header('Preference-Applied'), undef, "$name: no Preference-Applied");
}
is(jobs(), 0, 'there is no job');



=== TEST 3: a preference in any of its forms
--- config
    location /a     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $lines (['Respond-Async'], ['return=minimal, respond-async'], ['respond-async; x=1, wait=0'],
               ['return=minimal', 'respond-async'], ['handling="a, b", respond-async'], ["\t respond-async ,"], [',,respond-async']) {
    my $answer = request('POST', '/a', headers => [map { (prefer => $_) } @$lines]);
    is($answer->{status}, 202, join ' | ', @$lines);
}



=== TEST 4: every method but OPTIONS, HEAD and TRACE, unless they are listed
--- config
    location /a     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async prefer; async_methods GET HEAD; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @ask = (headers => [Prefer => 'respond-async']);
for my $method (qw(GET POST PUT PATCH DELETE PROPFIND LOCK REPORT)) {
    is(request($method, '/a', @ask)->{status}, 202, "$method: a job");
}
for my $method (qw(OPTIONS HEAD)) {
    my $answer = request($method, '/a', @ask);
    is($answer->{status}, 200, "$method: none");
    is($answer->header('Vary'), 'Prefer', "$method: Vary");
}
is(request('TRACE', '/a', @ask)->{status}, 405, 'TRACE: none');
is(request('HEAD', '/b', @ask)->{status}, 202, 'HEAD is listed');
is(request('GET',  '/b', @ask)->{status}, 202, 'GET is listed');
is(request('POST', '/b', @ask)->{status}, 200, 'POST is not');
is(request('GET',  '/b')->{status}, 200, 'who does not ask');



=== TEST 5: a GET becomes a job whose result is the answer
--- config
    location /a     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('GET', '/a?size=1000', headers => [Prefer => 'respond-async']);
my $job    = wait_job($answer);
my ($head) = seen();
like($head, qr{^GET /a\?size=1000 }, 'the backend gets the request that the client sent');
like($head, qr/^Prefer: respond-async\r$/m, 'its Prefer included');
is(length get($job->{resultUrl})->{body}, 1000, 'its answer is the result');
is(executions(), 1, 'it was asked once');



=== TEST 6: on says that the preference was applied, and varies by nothing
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $asked = request('POST', '/a', headers => [Prefer => 'return=minimal, respond-async']);
is($asked->{status}, 202, 'who asks');
is($asked->header('Preference-Applied'), 'respond-async', 'is told');
is($asked->header('Vary'), undef, 'no Vary');
my $other = request('POST', '/a');
is($other->{status}, 202, 'who does not ask');
is($other->header('Preference-Applied'), undef, 'is not');
is($other->header('Vary'), undef, 'no Vary');
is(request('GET', '/a')->header('Vary'), undef, 'nor on what is synchronous');



=== TEST 7: what others have said of Vary stays
--- config
    location /a     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /z     { async prefer; gzip on; gzip_min_length 1; gzip_types *; gzip_vary on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /c     { async prefer; add_header Vary Origin; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my %said = ('Cookie' => ['Cookie', 'Prefer'], 'Accept,%20Prefer' => ['Accept, Prefer'], 'prefer%20,X' => ['prefer ,X'],
            '*' => ['*'], 'X,%20*' => ['X, *'], 'Preference' => ['Preference', 'Prefer'], 'X-Prefer' => ['X-Prefer', 'Prefer']);
for my $vary (sort keys %said) {
    is_deeply([get("/a?header=Vary:$vary")->headers('Vary')], $said{$vary}, "the backend says $vary");
}
my $gzip = request('GET', '/z?size=5000', headers => ['Accept-Encoding' => 'gzip']);
is($gzip->header('Content-Encoding'), 'gzip', 'it is gzipped');
is_deeply([sort $gzip->headers('Vary')], ['Accept-Encoding', 'Prefer'], 'gzip_vary says its own');
is_deeply([sort(get('/c')->headers('Vary'))], ['Origin', 'Prefer'], 'and so does add_header');



=== TEST 8: what does not depend on it does not vary
--- config
    location /a      { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /deny   { async prefer; deny all; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /return { async prefer; return 200 x; }
    location /plain  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /off    { async off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
--- check
is(get($_)->header('Vary'), undef, $_) for qw(/deny /return /plain /off /jobs/x);



=== TEST 9: what is answered elsewhere in the end varies all the same
--- config
    location /a     { async prefer; proxy_intercept_errors on; error_page 503 /50x; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /x     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /t     { async prefer; try_files /none @t; }
    location @t     { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /50x   { return 503 sorry; }
    location /inner { internal; return 200 inner; }
    location /jobs/ { async_status; }
--- check
my $error = get('/a?status=503');
is($error->{body}, 'sorry', 'error_page');
is($error->header('Vary'), 'Prefer', 'error_page: Vary');
my $accel = get('/x?header=X-Accel-Redirect:/inner');
is($accel->{body}, 'inner', 'X-Accel-Redirect');
is($accel->header('Vary'), 'Prefer', 'X-Accel-Redirect: Vary');
my $try = get('/t');
is($try->{status}, 200, 'try_files');
is($try->header('Vary'), 'Prefer', 'try_files: Vary');



=== TEST 10: a refused submit varies, too
--- store: size=16m
--- no_worker
--- http_config
    async_queue small max_queued=1;
--- config
    location /a     { async prefer queue=small; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @ask = (headers => [Prefer => 'respond-async']);
is(request('POST', '/a', @ask)->{status}, 202, 'the first');
my $answer = request('POST', '/a', @ask);
is($answer->{status}, 503, 'the second');
is($answer->json->{code}, 'queue-full', 'the code');
is($answer->header('Vary'), 'Prefer', 'Vary');
is($answer->header('Preference-Applied'), undef, 'nothing was applied');



=== TEST 11: async_bypass goes before, a queue is taken, levels inherit
--- http_config
    async_queue q;
--- config
    async prefer queue=q;
    async_bypass $arg_sync;
    location /a     { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /on    { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @ask = (headers => [Prefer => 'respond-async']);
is(request('POST', '/a?sync=1', @ask)->{status}, 200, 'bypassed');
is(request('POST', '/a', @ask)->json->{queue}, 'q', 'the queue');
is(request('POST', '/on')->{status}, 202, 'on takes all');
is(request('GET', '/on', @ask)->{status}, 200, 'but not a GET');
is(get('/jobs/x', @ask)->{status}, 404, 'a status location is none');



=== TEST 12: a client's Async fields do not reach the backend, asked or not
--- config
    location /a     { async prefer; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
request('POST', '/a', headers => ['Async-Job-Id' => 'mine']);
unlike((seen())[0], qr/^Async-/mi, 'none of them');



=== TEST 13: prefer wants to know where its jobs live
--- config
    location /a { async prefer; return 200; }
--- refused: "async prefer" in location "/a" of server "localhost" cannot tell where its jobs live



=== TEST 14: prefer refuses an unknown queue
--- config
    location /a     { async prefer queue=none; return 200; }
    location /jobs/ { async_status; }
--- refused: unknown queue "none" in location "/a"



=== TEST 15: prefer refuses another parameter
--- config
    location /a     { async prefer wait=5; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid parameter "wait=5" in "async": write queue=name
