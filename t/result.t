# The stored response: what is in it, what is not, and what of it a client
# may ask for.

use strict;
use warnings;

use AsyncNginx;

no_root_location();
plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: a pending result is 202 and the document
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $accepted = submit('/a?sleep=2')->json;
my $pending  = sub {
    my ($state) = @_;
    my $answer;
    ok(poll_until(10, sub { $answer = get("$accepted->{statusUrl}/result"); $answer->json->{status} eq $state }), "it is $state");
    is($answer->{status}, 202, "$state: 202");
    is($answer->header('Retry-After'), 5, "$state: Retry-After");
    is($answer->header('Content-Type'), 'application/json', "$state: Content-Type");
    is($answer->header('Async-Result'), undef, "$state: no Async-Result");
    is($answer->json->{id}, $accepted->{id}, "$state: the document");
};
$pending->('queued');
AsyncNginx::_start_worker($t->store);
$pending->('processing');
wait_job($accepted->{statusUrl});
is(get("$accepted->{statusUrl}/result")->{status}, 200, 'then it is the response');



=== TEST 2: a stored 200 with all that belongs to it
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?size=100&header=Content-Type:text/csv;%20charset=iso-8859-1&header=X-One:1&header=X-Two:a,%20b&header=X-One:2');
is($result->{status}, 200, 'the status');
is($result->{body}, AsyncTest::pattern(100), 'the body');
is($result->header('Async-Result'), 200, 'Async-Result');
is($result->header('Content-Type'), 'text/csv; charset=iso-8859-1', 'Content-Type');
is($result->header('Content-Length'), 100, 'Content-Length');
is_deeply([$result->headers('X-One')], [1, 2], 'a field that came twice');
is($result->header('X-Two'), 'a, b', 'a field with a comma');
is($result->header('Accept-Ranges'), 'bytes', 'Accept-Ranges');
like($result->header('ETag'), qr/^"[^"]+"$/, 'an ETag of ours');
is($result->header('Retry-After'), undef, 'no Retry-After');
unlike($result->{head}, qr/^Async-(?!Result)/mi, 'nothing else of ours');
is_deeply(get($job->{resultUrl})->{body}, $result->{body}, 'it can be read again');



=== TEST 3: If-None-Match and If-Match are compared with our ETag
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $status (200, 201, 202, 203) {
    my ($job, $result) = submit_and_wait("/a?size=100&status=$status");
    my $etag = $result->header('ETag');
    my $ask  = sub { get($job->{resultUrl}, headers => [@_]) };
    my $not  = $ask->('If-None-Match' => $etag);
    is($not->{status}, 304, "$status: 304");
    is($not->{body}, '', "$status: without the body");
    is($not->header('ETag'), $etag, "$status: with the ETag");
    is($ask->('If-None-Match' => "\"x\", W/$etag")->{status}, 304, "$status: weak, in a list");
    is($ask->('If-None-Match' => '*')->{status}, 304, "$status: any");
    my $other = $ask->('If-None-Match' => '"x"');
    is($other->{status}, $status, "$status: another one gets the status");
    is($other->{body}, AsyncTest::pattern(100), "$status: and the body");
    is($other->header('Async-Result'), $status, "$status: and Async-Result");
    is($ask->('If-Match' => '"x"')->{status}, 412, "$status: If-Match of another is 412");
    is($ask->('If-Match' => $etag)->{status}, $status, "$status: If-Match");
}
my ($first, $second) = map { (submit_and_wait('/a?size=100'))[1]->header('ETag') } 1, 2;
isnt($first, $second, 'two jobs have two ETags');



=== TEST 4: the backend's ETag and Last-Modified are used where there are any
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?size=9&header=ETag:%22v1%22&header=Last-Modified:Sun,%2022%20Nov%202026%2010:00:00%20GMT');
my $ask = sub { get($job->{resultUrl}, headers => [@_])->{status} };
is_deeply([$result->headers('ETag')], ['"v1"'], 'ETag');
is($result->header('Last-Modified'), 'Sun, 22 Nov 2026 10:00:00 GMT', 'Last-Modified');
is($ask->('If-None-Match' => '"v1"'), 304, 'If-None-Match');
is($ask->('If-None-Match' => '"v2"'), 200, 'If-None-Match of another');
is($ask->('If-Modified-Since' => 'Sun, 22 Nov 2026 10:00:00 GMT'), 304, 'If-Modified-Since');
is($ask->('If-Modified-Since' => 'Sun, 22 Nov 2026 09:00:00 GMT'), 200, 'If-Modified-Since of an earlier time');
is($ask->('If-Unmodified-Since' => 'Sun, 22 Nov 2026 09:00:00 GMT'), 412, 'If-Unmodified-Since');



=== TEST 5: conditions are not for what is no 2xx
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $status (302, 404, 500) {
    my ($job, $result) = submit_and_wait("/a?status=$status&header=ETag:%22v1%22&size=20");
    my $answer = get($job->{resultUrl}, headers => ['If-None-Match' => '"v1"', Range => 'bytes=0-1']);
    is($answer->{status}, $status, "$status stays");
    is($answer->{body}, AsyncTest::pattern(20), "$status: whole");
}



=== TEST 6: Range on a stored 200, small and large
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $size (100, 400_000) {
    my ($job, $result) = submit_and_wait("/a?size=$size");
    my $whole = AsyncTest::pattern($size);
    my $ask   = sub { get($job->{resultUrl}, headers => [@_]) };
    ok($result->{body} eq $whole, "$size: whole");
    my $answer = $ask->(Range => 'bytes=10-19');
    is($answer->{status}, 206, "$size: 206");
    is($answer->header('Content-Range'), "bytes 10-19/$size", "$size: Content-Range");
    is($answer->{body}, substr($whole, 10, 10), "$size: the bytes");
    is($answer->header('Async-Result'), 200, "$size: Async-Result is that of the response");
    is($ask->(Range => 'bytes=-5')->{body}, substr($whole, -5), "$size: the last ones");
    is($ask->(Range => "bytes=$size-")->{status}, 416, "$size: beyond the end is 416");
    my $several = $ask->(Range => 'bytes=0-1,4-5');
    is($several->{status}, 206, "$size: several");
    like($several->header('Content-Type'), qr{^multipart/byteranges}, "$size: in parts");
    my $etag = $result->header('ETag');
    is($ask->(Range => 'bytes=0-1', 'If-Range' => $etag)->{status}, 206, "$size: If-Range");
    is($ask->(Range => 'bytes=0-1', 'If-Range' => '"x"')->{status}, 200, "$size: If-Range of another");
}



=== TEST 7: Range on another stored 2xx is not looked at
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job) = submit_and_wait('/a?size=100&status=201');
my $answer = get($job->{resultUrl}, headers => [Range => 'bytes=0-1']);
is($answer->{status}, 201, 'the status');
is($answer->{body}, AsyncTest::pattern(100), 'the whole body');
is($answer->header('Accept-Ranges'), undef, 'no Accept-Ranges');



=== TEST 8: HEAD has the head of GET
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $query ('size=100', 'size=400000', 'status=201&size=10', 'status=404', 'status=204', 'size=0') {
    my ($job, $get) = submit_and_wait("/a?$query");
    my $url  = $job->{resultUrl};
    my $head = request('HEAD', $url);
    my $same = sub { join "\n", sort grep { !/^Date/ } split /\r\n/, $_[0]{head} };
    is($same->($head), $same->($get), "$query: the same head");
    is($head->{body}, '', "$query: no body");
}



=== TEST 9: statuses, with and without a body
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $status (200, 201, 204, 207, 302, 303, 400, 404, 410, 418, 422, 500, 503, 599) {
    my ($job, $result) = submit_and_wait("/a?status=$status&header=X-Kept:yes");
    is($job->{status}, $status < 400 ? 'completed' : 'failed', "$status: what became of the job");
    is($result->{status}, $status, "$status: the status");
    is($result->header('Async-Result'), $status, "$status: Async-Result");
    is($result->header('X-Kept'), 'yes', "$status: a header");
    if ($status == 204) {
        is($result->header('Content-Length'), undef, "$status: no length");
        is($result->{body}, '', "$status: no body");
    } else {
        is($result->json->{method}, 'POST', "$status: the body");
    }
}



=== TEST 10: an empty 200 is empty
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?size=0');
is($result->{status}, 200, 'the status');
is($result->header('Content-Length'), 0, 'the length');
is($result->{body}, '', 'the body');



=== TEST 11: a response to HEAD has a head only
--- config
    location /a     { async on; async_methods HEAD; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?size=50&header=X-Kept:yes', method => 'HEAD');
is($job->{status}, 'completed', 'completed');
is($result->{status}, 200, 'the status');
is($result->header('X-Kept'), 'yes', 'a header');
is($result->{body}, '', 'no body');
is($result->header('Content-Length'), 0, 'which a client that sent GET can tell');
is($result->header('Accept-Ranges'), undef, 'nor ranges of it');
is($result->header('Transfer-Encoding'), undef, 'Transfer-Encoding');
my $head = request('HEAD', $job->{resultUrl});
is($head->{status}, 200, 'HEAD: the status');
is($head->header('Content-Length'), undef, 'HEAD: no length, since it is not known');



=== TEST 12: sizes around what is kept in the database, byte for byte
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $size (1, 4079, 4080, 4081, 262_143, 262_144, 262_145, 3_000_000) {
    for my $how ('', '&chunked=1') {
        my ($job, $result) = submit_and_wait("/a?size=$size$how");
        is($result->header('Content-Length'), $size, "$size$how: the length");
        ok($result->{body} eq AsyncTest::pattern($size), "$size$how: the bytes");
        is($result->header('Transfer-Encoding'), undef, "$size$how: not chunked");
    }
}



=== TEST 13: the content type is the backend's, and none where it sent none
--- config
    default_type text/plain;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /none  { async on; proxy_hide_header Content-Type; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /sync  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /set   { async on; charset utf-8; charset_types text/csv; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $type = sub { my ($job, $result) = submit_and_wait("/$_[0]?size=9&header=Content-Type:" . $_[1] =~ s/\+/%2B/r); [$result->headers('Content-Type')] };
is_deeply($type->('a', $_), [$_], $_) for 'text/html', 'text/html;charset=UTF-8', 'TEXT/Plain', 'application/vnd.a+json', 'multipart/form-data;boundary=a', 'x';
is_deeply($type->('set', 'text/csv'), ['text/csv; charset=utf-8'], 'charset of the submit location');
is_deeply($type->('none', 'text/csv'), [], 'none');



=== TEST 14: charset of the status location applies as to any answer there
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; charset utf-8; charset_types text/csv application/json; }
--- check
my ($job, $result) = submit_and_wait('/a?size=9&header=Content-Type:text/csv');
is($result->header('Content-Type'), 'text/csv; charset=utf-8', 'a result without one');
($job, $result) = submit_and_wait('/a?size=9&header=Content-Type:text/csv;charset=koi8-r');
is($result->header('Content-Type'), 'text/csv;charset=koi8-r', 'a result with one');



=== TEST 15: what is not for everyone who knows the URL, and what is of one connection, is left out
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND;
                      proxy_pass_header Server; proxy_pass_header Date; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?header=Set-Cookie:session=1&header=set-cookie:b=2&header=Keep-Alive:timeout=5&header=Proxy-Authenticate:Basic&header=Server:old&header=Date:Thu,%2001%20Jan%201970%2000:00:00%20GMT&header=Async-Result:999&header=Async-Replay-End:-&header=Async-Job-Id:x&header=X-Kept:yes&header=Trailer:X&header=Upgrade:h2c');
is($result->header('X-Kept'), 'yes', 'an ordinary one is there');
is_deeply([$result->headers($_)], [], "no $_") for qw(Set-Cookie Keep-Alive Async-Replay-End Async-Job-Id Trailer Upgrade Transfer-Encoding);
is_deeply([$result->headers('Async-Result')], [200], 'Async-Result is ours');
is(scalar(my @date = $result->headers('Date')), 1, 'one Date');
unlike($date[0], qr/1970/, 'of now');
is_deeply([map { /^nginx/ ? 1 : $_ } $result->headers('Server')], [1], 'one Server, nginx');



=== TEST 16: add_header and expires of the submit location are not part of it
--- config
    location /a     { async on; add_header X-Submit a always; add_header Cache-Control private; expires 1d;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $query ('', '?status=404', '?header=Expires:Thu,%2001%20Jan%202037%2000:00:00%20GMT&header=Cache-Control:max-age=60&header=Link:%3C/a%3E') {
    my ($job, $result) = submit_and_wait("/a$query");
    is($result->header('X-Submit'), undef, "'$query': no add_header");
    is_deeply([$result->headers('Expires')], [$query =~ /Expires/ ? 'Thu, 01 Jan 2037 00:00:00 GMT' : ()], "'$query': Expires is the backend's or none");
    is_deeply([$result->headers('Cache-Control')], [$query =~ /Cache/ ? 'max-age=60' : ()], "'$query': Cache-Control is the backend's or none");
    is_deeply([$result->headers('Link')], [$query =~ /Link/ ? '</a>' : ()], "'$query': Link is the backend's or none");
}



=== TEST 17: add_header and expires of the submit location apply to its 202, once
--- no_worker
--- config
    location /a     { async on; add_header X-Submit a always; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a');
is_deeply([$answer->headers('X-Submit')], ['a'], 'add_header');
is_deeply([$answer->headers('Cache-Control')], ['no-store'], 'Cache-Control stays');



=== TEST 18: add_header and expires of the status location apply, also to what the backend sent
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /twin  { add_header X-Status b; expires 1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; add_header X-Status b; expires 1h; }
--- check
for my $query ('', 'header=Expires:Thu,%2001%20Jan%202037%2000:00:00%20GMT&header=Cache-Control:max-age=60', 'header=Cache-Control:private&header=Cache-Control:max-age=5') {
    my ($job, $result) = submit_and_wait("/a?$query");
    my $twin = get("/twin?$query");
    is_deeply([$result->headers('X-Status')], ['b'], "'$query': add_header");
    is_deeply([$result->headers('Cache-Control')], [$twin->headers('Cache-Control')], "'$query': Cache-Control is that of any location");
    is(scalar(my @all = $result->headers('Expires')), 1, "'$query': one Expires");
    unlike($all[0], qr/2037/, "'$query': ours");
}



=== TEST 19: gzip of the status location applies, that of the submit location does not
--- config
    location /a     { async on; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    location /zip/  { async_status; gzip on; gzip_types *; gzip_min_length 1; gzip_vary on; }
    async_status_uri /jobs/;
--- check
my @zip = (headers => ['Accept-Encoding' => 'gzip']);
my ($job, $plain) = submit_and_wait('/a?size=5000', @zip);
is($plain->header('Content-Encoding'), undef, 'stored as it is');
is($plain->{body}, AsyncTest::pattern(5000), 'and readable');
is(get("/jobs/$job->{id}/result", @zip)->header('Content-Encoding'), undef, 'not where it is off');
my $result = get("/zip/$job->{id}/result", @zip);
is($result->header('Content-Encoding'), 'gzip', 'where it is on: gzip');
is($result->header('Vary'), 'Accept-Encoding', 'Vary');
cmp_ok(length $result->{body}, '<', 2500, 'smaller');
like($result->header('ETag'), qr/^W\//, 'its ETag is weak');
is(get("/zip/$job->{id}/result")->{body}, AsyncTest::pattern(5000), 'plain for those who do not ask');



=== TEST 20: what the backend encoded stays as it is
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; gzip on; gzip_types *; gzip_min_length 1; }
--- check
my ($job) = submit_and_wait('/a?size=500&header=Content-Encoding:br&header=Vary:Accept-Encoding');
my $result = get($job->{resultUrl}, headers => ['Accept-Encoding' => 'gzip']);
is_deeply([$result->headers('Content-Encoding')], ['br'], 'Content-Encoding');
is_deeply([$result->headers('Vary')], ['Accept-Encoding'], 'Vary');
is($result->{body}, AsyncTest::pattern(500), 'not encoded again');



=== TEST 21: a Location is what a synchronous answer would have said
--- user_files
>>> dir/file
x
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /sync  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /rel   { async on; absolute_redirect off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /dir   { async on; async_methods PUT GET; async_bypass $arg_now; root $TEST_NGINX_SERVER_ROOT/html; }
    location /jobs/ { async_status; }
--- check
my $port = $t->port;
for my $location ('/made/7', 'http://other.test/x', 'made/7', '//other.test/x', '/made?a=b%20c') {
    my $query = 'status=302&header=Location:' . $location =~ s/([?&%])/sprintf '%%%02X', ord $1/ger;
    my ($expected) = request('POST', "/sync?$query", body => '', host => 'shop.test')->header('Location');
    my ($job, $result) = submit_and_wait("/a?$query", host => 'shop.test');
    is_deeply([$result->headers('Location')], [$expected], "$location: the result");
    is($job->{resourceUrl}, $expected, "$location: resourceUrl");
    ($job, $result) = submit_and_wait("/rel?$query", host => 'shop.test');
    is($result->header('Location'), $location, "$location: as it is without absolute_redirect");
}
my $expected = get('/dir?now=1', host => 'shop.test')->header('Location');
is($expected, "http://shop.test:$port/dir/?now=1", 'nginx redirects to a folder');
my ($job, $result) = submit_and_wait('/dir?a=1', method => 'GET', host => 'shop.test');
is($result->{status}, 301, 'a job as well');
is($result->header('Location'), "http://shop.test:$port/dir/?a=1", 'to the same place');



=== TEST 22: proxy_redirect does its work
--- config
    location /a/    { async on; proxy_pass http://$TEST_NGINX_BACKEND/b/; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait("/a/x?status=303&header=Location:http://$ENV{TEST_NGINX_BACKEND}/b/y", host => 'shop.test');
is($result->header('Location'), 'http://shop.test:' . $t->port . '/a/y', 'the address of the backend is not told');



=== TEST 23: a job that failed without a response is a problem
--- config
    location /a     { async on; async_retry off; proxy_pass http://127.0.0.1:1; }
    location /b     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $case (['/a', 'backend-unreachable', 502], ['/b?reset=before', 'outcome-unknown', 502]) {
    my ($uri, $code, $status) = @$case;
    my ($job, $result) = submit_and_wait($uri);
    is($job->{error}{code}, $code, "$code: the job");
    is($result->{status}, $status, "$code: $status");
    is($result->header('Content-Type'), 'application/problem+json', "$code: a problem");
    is($result->header('Async-Result'), undef, "$code: no Async-Result");
    my $json = $result->json;
    is($json->{code}, $code, "$code: code");
    is($json->{status}, $status, "$code: status");
    is($json->{jobId}, $job->{id}, "$code: jobId");
    is($json->{detail}, $job->{error}{detail}, "$code: detail");
}



=== TEST 24: a result larger than async_result_max fails the job, and the backend is left
--- config
    location /a     { async on; async_result_max 1000; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /m     { async on; async_result_max 1m; proxy_buffering off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is((submit_and_wait('/a?size=1000'))[1]->{body}, AsyncTest::pattern(1000), 'at the limit it is kept');
for my $query ('/a?size=1001', '/a?size=1001&chunked=1', '/m?size=1048577', '/m?size=100000000&drip=0.01') {
    my ($job, $result) = submit_and_wait($query);
    is($job->{status}, 'failed', "$query: failed");
    is($job->{error}{code}, 'result-too-large', "$query: the code");
    ok(!exists $job->{$_}, "$query: no $_") for qw(resultUrl resultStatus);
    is($result->{status}, 502, "$query: 502");
    is($result->json->{code}, 'result-too-large', "$query: its code");
}
ok(poll_until(10, sub { grep { $_->{target} =~ /size=100000000/ } $t->backend_log('gone') }), 'the connection was closed in the middle');
is(executions(), 5, 'nothing was asked again');
is(jobs(), 5, 'the store is whole');
my $left = sub { grep { -f } glob $t->store . '/spool/{*,*/*}' };
ok(poll_until(10, sub { !$left->() }), 'no file is left of them') or diag $left->();



=== TEST 25: a response with many and with long fields is kept
--- config
    proxy_buffer_size 64k;
    proxy_buffers 4 64k;
    proxy_busy_buffers_size 64k;
    large_client_header_buffers 4 32k;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $long  = 'x' x 15_000;
my $query = join '&', "header=X-Long:$long", map { "header=X-Field-$_:$_" } 1 .. 80;
my ($job, $result) = submit_and_wait("/a?$query");
is($job->{status}, 'completed', 'completed');
is($result->header('X-Long'), $long, 'the long one');
is($result->header("X-Field-$_"), $_, "number $_") for 1, 40, 80;



=== TEST 26: error_page of the submit location makes the response
--- config
    location /a     { async on; proxy_intercept_errors on; error_page 404 =200 /page; error_page 500 = @other;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /page  { return 200 "page"; }
    location @other { return 503 "other"; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?status=404');
is($job->{status}, 'completed', 'what nginx made of it counts');
is($result->{status}, 200, 'its status');
is($result->{body}, 'page', 'its body');
($job, $result) = submit_and_wait('/a?status=500');
is($job->{status}, 'failed', 'or does not');
is($result->{status}, 503, 'its status');
is($result->{body}, 'other', 'its body');



=== TEST 27: error_page of the status location does not touch a stored response
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; error_page 404 500 =200 /page; }
    location /page  { return 200 "page"; }
--- check
for my $status (404, 500) {
    my ($job, $result) = submit_and_wait("/a?status=$status&size=10");
    is($result->{status}, $status, "$status stays");
    is($result->{body}, AsyncTest::pattern(10), 'with its body');
}



=== TEST 28: a HEAD that failed has a response without a body
--- config
    location /a     { async on; async_methods HEAD; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $accepted = request('HEAD', '/a?status=404&header=X-Why:gone');
is($accepted->{status}, 202, 'accepted');
my ($url) = $accepted->header('Location') =~ m{(/jobs/.*)};
my $json = wait_job($url);
is($json->{error}{code}, 'backend-status', 'failed');
is($json->{resultStatus}, 404, 'resultStatus');
my $result = get($json->{resultUrl});
is($result->{status}, 404, 'the status');
is($result->header('X-Why'), 'gone', 'a field');
is($result->header('Content-Length'), 0, 'Content-Length');



=== TEST 29: a spooled result is compared with its checksum before the first byte goes out
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $size = 9_000_000;
my ($job) = submit_and_wait('/a?size=300000');
my $whole = AsyncTest::pattern(300_000);
my $path  = sub { $t->store . "/spool/$_[0]{id}.res" };
my $flip  = sub {
    my ($job, $at) = @_;
    open my $file, '+<:raw', $path->($job) or die $!;
    seek $file, $at, 0;
    read $file, my $byte, 1;
    seek $file, $at, 0;
    print $file chr(ord($byte) ^ 1);
    close $file or die $!;
};
my $ask  = sub { get($job->{resultUrl}, headers => [@_]) };
my $etag = $ask->()->header('ETag');
for my $at (0, 150_000, 299_999) {
    $flip->($job, $at);
    for my $range ([], [Range => 'bytes=10-19'], [Range => 'bytes=0-1,5-6'], ['If-None-Match' => '"x"']) {
        my $answer = $ask->(@$range);
        is($answer->{status}, 503, "a flipped byte at $at, @$range: 503");
        is($answer->json->{code}, 'store-unavailable', "$at, @$range: with its code");
        is($answer->header($_), undef, "$at, @$range: without $_ of the result") for 'ETag', 'Async-Result', 'Accept-Ranges', 'Content-Range';
    }
    is($ask->('If-None-Match' => $etag)->{status}, 304, "$at: 304 does not read it");
    is($ask->('If-Match' => '"x"')->{status}, 412, "$at: nor 412");
    my $head = $t->request('HEAD', $job->{resultUrl});
    is($head->{status}, 200, "$at: nor HEAD");
    is($head->header('Content-Length'), 300_000, "$at: which has the length");
    $flip->($job, $at);
    ok($ask->()->{body} eq $whole, "$at: put right it is served");
}
my ($large, $result) = submit_and_wait("/a?size=$size");
ok($result->{body} eq AsyncTest::pattern($size), 'one that takes more than a look');
$flip->($large, $size - 1);
is(get($large->{resultUrl})->{status}, 503, 'its last byte');
truncate $path->($large), $size - 1;
is(get($large->{resultUrl})->{status}, 503, 'and without it');
unlink $path->($large);
is(get($large->{resultUrl})->{status}, 503, 'and without the file');



=== TEST 30: an error_page of the status location takes a 412 of a spooled result
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; error_page 412 /said; }
    location /said  { return 200 "said"; }
--- check
my ($job) = submit_and_wait('/a?size=300000');
my $answer = get($job->{resultUrl}, headers => ['If-Match' => '"x"']);
is($answer->{status}, 412, 'it is 412');
is($answer->{body}, 'said', 'with that page');
is(length get($job->{resultUrl})->{body}, 300_000, 'the result is served');
