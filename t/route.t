# However a location is reached, a request makes exactly one job, and its
# replay goes the same way.

use strict;
use warnings;

use AsyncNginx;

no_root_location();
plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: reached plainly, by prefix, exactly and by regular expression
--- config
    location /prefix    { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location = /exact   { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location ~ ^/re/(.+)$ { async on; proxy_pass http://$TEST_NGINX_BACKEND/got/$1$is_args$args; }
    location /jobs/     { async_status; }
--- check
my %target = ('/prefix/a?b=c' => '/prefix/a?b=c', '/exact' => '/exact', '/re/x%20y?q=1' => undef);
my $n = 0;
for my $uri (sort keys %target) {
    is(wait_job(submit($uri, body => 'x'))->{resultStatus}, 200, "$uri runs");
    is(executions(), ++$n, "$uri: once");
    is(jobs(), $n, "$uri: as one job");
    like((seen())[0], qr/^POST \Q$target{$uri}\E /, "$uri: reaches its place") if $target{$uri};
}
like((seen())[0], qr{^POST /got/x(?:%20|\+| )y\?q=1 }, 'a capture is what it was');



=== TEST 2: reached by rewrite, one or two, the replay is rewritten once
--- config
    location /old  { rewrite ^/old/(.*)$ /mid/$1 last; }
    location /mid  { rewrite ^/mid/(.*)$ /new/$1?via=mid last; }
    location /new  { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /here { async on; rewrite ^/here/(.*)$ /there/$1 break;
                     proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/old/a?b=c'))->{resultStatus}, 200, 'last: it runs');
like((seen())[0], qr{^POST /new/a\?via=mid&b=c }, 'rewritten');
is(wait_job(submit('/here/a?b=c'))->{resultStatus}, 200, 'break: it runs');
like((seen())[0], qr{^POST /there/a\?b=c }, 'rewritten');
is(executions(), 2, 'each once');
is(jobs(), 2, 'each one job');



=== TEST 3: rewritten out of an async location, it is no job there
--- config
    location /a    { async on; rewrite ^ /b last; }
    location /b    { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', body => 'x')->{status}, 200, 'the location that it ends in decides');
is(jobs(), 0, 'no job');



=== TEST 4: rewritten at the server
--- config
    rewrite ^/v1/(.*)$ /v2/$1;
    location /v2    { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/v1/a'))->{resultStatus}, 200, 'it runs');
like((seen())[0], qr{^POST /v2/a }, 'rewritten once');
is(jobs(), 1, 'one job');



=== TEST 5: reached by try_files, as a named location and as a URI
--- config
    location /n     { root $TEST_NGINX_SERVER_ROOT/html; try_files $uri @app; }
    location /u     { root $TEST_NGINX_SERVER_ROOT/html; try_files $uri /app?from=$uri; }
    location /app   { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location @app   { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/n/a?b=c', body => 'x'))->{resultStatus}, 200, 'named: it runs');
like((seen())[0], qr{^POST /n/a\?b=c }, 'with its URI');
is(wait_job(submit('/u/a', body => 'y'))->{resultStatus}, 200, 'URI: it runs');
like((seen())[0], qr{^POST /app\?from=/u/a }, 'with the one that it was given');
is((seen())[1], 'y', 'and its body');
is(executions(), 2, 'each once');
is(jobs(), 2, 'each one job');



=== TEST 6: try_files inside an async location does its work at the replay
--- user_files
>>> there
a file
--- config
    location /      { async on; async_methods POST GET; root $TEST_NGINX_SERVER_ROOT/html;
                      try_files $uri @app; }
    location @app   { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/not/there');
is($result->json->{target}, '/not/there', 'missing: the backend answers');
($job, $result) = submit_and_wait('/there', method => 'GET');
is($result->{body}, "a file\n", 'there: the file is the result');
is(executions(), 1, 'the backend was asked once');
is(jobs(), 2, 'two jobs');



=== TEST 7: try_files from an async location into another makes one job
--- config
    async on;
    location /      { root $TEST_NGINX_SERVER_ROOT/html; try_files $uri @app; }
    location @app   { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a'))->{resultStatus}, 200, 'it runs');
is(executions(), 1, 'once');
is(jobs(), 1, 'as one job');



=== TEST 8: reached by an internal redirect of index
--- user_files
>>> dir/start
start
--- config
    location = /dir/      { root $TEST_NGINX_SERVER_ROOT/html; index start; }
    location = /dir/start { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/       { async_status; }
--- check
is(wait_job(submit('/dir/', body => 'x'))->{resultStatus}, 200, 'it runs');
is(executions(), 1, 'once');
is(jobs(), 1, 'as one job');
is((seen())[1], 'x', 'with its body');



=== TEST 9: index inside an async location does its work at the replay
--- user_files
>>> dir/start
start
--- config
    location /dir/  { async on; async_methods GET; root $TEST_NGINX_SERVER_ROOT/html; index start; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/dir/', method => 'GET');
is($result->{body}, "start\n", 'the file is the result');
is(jobs(), 1, 'one job');



=== TEST 10: an async location that error_page leads to makes no job
--- config
    location /a     { root $TEST_NGINX_SERVER_ROOT/html; error_page 404 405 = @app; }
    location /b     { root $TEST_NGINX_SERVER_ROOT/html; error_page 404 405 = /app; }
    location /c     { proxy_intercept_errors on; error_page 500 = @app;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /app   { async on; async_methods GET POST; proxy_pass http://$TEST_NGINX_BACKEND; }
    location @app   { async on; async_methods GET POST; rewrite ^ /app? break;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $uri ('/a/none', '/b/none', '/c?status=500') {
    my $answer = request('POST', $uri, body => 'x');
    is($answer->{status}, 200, "$uri: the page, at once");
    is($answer->header('Location'), undef, "$uri: no Location");
}
is(request('GET', '/a/none')->{status}, 200, 'a GET as well');
is(jobs(), 0, 'no job');



=== TEST 11: mirror fires once, when the job runs
--- config
    location /a     { async on; mirror /copy; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /copy  { internal; proxy_pass http://$TEST_NGINX_BACKEND/copy$request_uri; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a', body => 'x'))->{resultStatus}, 200, 'the job runs');
ok(poll_until(10, sub { executions() >= 2 }), 'and is mirrored');
my @heads = sort map { (seen($_))[0] =~ /^(\S+ \S+)/ } 1 .. 2;
is_deeply(\@heads, ['POST /a', 'POST /copy/a'], 'both came');
is_deeply([map { (seen($_))[1] } 1 .. 2], ['x', 'x'], 'with the body');
is(wait_job(submit('/a', body => 'y'))->{resultStatus}, 200, 'another runs');
ok(poll_until(10, sub { executions() == 4 }), 'and is mirrored, once');
is(jobs(), 2, 'two jobs');



=== TEST 12: a mirrored copy that leads into an async location makes no job
--- config
    location /a     { mirror /copy; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /copy  { internal; async on; proxy_pass http://$TEST_NGINX_BACKEND/copy; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', body => 'x')->{status}, 200, 'synchronous');
ok(poll_until(10, sub { executions() == 2 }), 'and mirrored');
is(jobs(), 0, 'no job');



=== TEST 13: an if around the directive decides
--- config
    location /a     { if ($arg_later) { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on;
                      if ($arg_now) { async off; proxy_pass http://$TEST_NGINX_BACKEND; }
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', body => 'x')->{status}, 200, 'outside: synchronous');
is(wait_job(submit('/a?later=1', body => 'x'))->{resultStatus}, 200, 'inside: a job, which runs');
is(request('POST', '/b?now=1', body => 'x')->{status}, 200, 'off inside: synchronous');
is(wait_job(submit('/b', body => 'x'))->{resultStatus}, 200, 'on outside: a job, which runs');
is(jobs(), 2, 'two jobs');
is(executions(), 4, 'four requests');



=== TEST 14: an if that sees the replay's method, headers and address sees the client's
--- config
    location /a     { async on; set $what none;
                      if ($request_method = PUT)      { set $what put; }
                      if ($http_x_kind = special)     { set $what "$what-special"; }
                      if ($remote_addr != 127.0.0.1)  { set $what "$what-moved"; }
                      proxy_set_header X-What $what; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a', method => 'PUT', headers => ['X-Kind' => 'special']));
like((seen())[0], qr/^X-What: put-special\r$/m, 'as at submission');



=== TEST 15: limit_except refuses as ever, and lets the replay pass
--- config
    location /no    { async on; limit_except GET  { deny all; } proxy_pass http://$TEST_NGINX_BACKEND; }
    location /yes   { async on; limit_except POST { deny all; } proxy_pass http://$TEST_NGINX_BACKEND; }
    location /some  { async on; limit_except GET  { allow 127.0.0.1; deny all; }
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/no', body => 'x')->{status}, 403, 'refused');
is(jobs(), 0, 'and no job');
is(wait_job(submit('/yes', body => 'x'))->{resultStatus}, 200, 'not limited: a job, which runs');
is(wait_job(submit('/some', body => 'x'))->{resultStatus}, 200, 'limited but allowed: a job, which runs');
is(executions(), 2, 'each once');



=== TEST 16: a return in a location answers before us
--- config
    location /a     { async on; return 200 "now"; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a', body => 'x');
is($answer->{status}, 200, 'its status');
is($answer->{body}, 'now', 'its text');
is(jobs(), 0, 'no job');



=== TEST 17: a static file can be the handler
--- user_files
>>> data.json
{"a":1}
--- config
    location /files/ { async on; async_methods GET; alias $TEST_NGINX_SERVER_ROOT/html/;
                       types { application/json json; } }
    location /jobs/  { async_status; }
--- check
my ($job, $result) = submit_and_wait('/files/data.json', method => 'GET');
is($job->{status}, 'completed', 'completed');
is($result->{status}, 200, 'its status');
is($result->{body}, qq({"a":1}\n), 'its body');
is($result->header('Content-Type'), 'application/json', 'its type');
ok($result->header('Last-Modified'), 'its time');
like($result->header('ETag'), qr/^"[0-9a-f]+-8"$/, 'its own ETag');
($job, $result) = submit_and_wait('/files/none', method => 'GET');
is($job->{status}, 'failed', 'one that is not there: failed');
is($result->{status}, 404, 'with 404');



=== TEST 18: a large file can be the handler
--- user_files eval
">>> big\n" . AsyncTest::pattern(1_000_000)
--- config
    location /files/ { async on; async_methods GET; alias $TEST_NGINX_SERVER_ROOT/html/; }
    location /jobs/  { async_status; }
--- check
my ($job, $result) = submit_and_wait('/files/big', method => 'GET');
my $file = AsyncTest::slurp("$ENV{TEST_NGINX_SERVER_ROOT}/html/big");
cmp_ok(length $file, '>=', 1_000_000, 'there is one');
ok($result->{body} eq $file, 'it is the result, byte for byte');



=== TEST 19: the longest request line that is accepted replays
--- config
    location /sync  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /asyn  { async on; async_methods GET; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $ask = sub { my ($path, $n) = @_; raw("GET $path?" . 'x' x $n . " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") };
my ($good, $bad) = (8000, 8300);
while ($bad - $good > 1) {
    my $n = int(($good + $bad) / 2);
    ($ask->('/sync', $n)->{status} == 200 ? $good : $bad) = $n;
}
is($ask->('/sync', $good + 1)->{status}, 414, "one more than $good is too long");
for my $n ($good - 1, $good) {
    my $answer = $ask->('/asyn', $n);
    is($answer->{status}, 202, "$n: accepted");
    is(wait_job($answer)->{resultStatus}, 200, "$n: run");
    like((seen())[0], qr{^GET /asyn\?x{$n} HTTP}, "$n: whole");
}



=== TEST 20: a head that fills every buffer to the last byte replays
--- config
    client_header_buffer_size 1k;
    large_client_header_buffers 4 2k;
    location /sync  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /asyn  { async on; async_methods GET; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $colon (': ', ':') {
    my $lines = sub { my $n = shift; join '', map { "X-Big-$_$colon" . $_ x $n . "\r\n" } 1 .. 3 };
    my $ask = sub { my ($path, $n) = @_; raw("GET $path?" . 'x' x 2000 . " HTTP/1.1\r\nHost: a\r\n" . $lines->($n) . "Connection: close\r\n\r\n") };
    my ($good, $bad) = (1900, 2100);
    while ($bad - $good > 1) {
        my $n = int(($good + $bad) / 2);
        ($ask->('/sync', $n)->{status} == 200 ? $good : $bad) = $n;
    }
    my $answer = $ask->('/asyn', $good);
    is($answer->{status}, 202, "'$colon' $good: accepted");
    is(wait_job($answer)->{resultStatus}, 200, "'$colon' $good: run");
    my ($head) = seen();
    like($head, qr/^X-Big-$_: (?:$_){$good}\r$/m, "'$colon' line $_ is whole") for 1 .. 3;
}



=== TEST 21: a line of many fields replays
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @fields = map { ("X-$_" => $_) } 1 .. 95;
is(wait_job(submit('/a', headers => \@fields))->{resultStatus}, 200, 'it runs');
my ($head) = seen();
is(scalar(() = $head =~ /^X-\d+: \d+\r$/mg), 95, 'with all of them');



=== TEST 22: nested locations, and the outer one's settings
--- config
    location /out   { async on; proxy_set_header X-Place outer;
                      proxy_pass http://$TEST_NGINX_BACKEND;
        location /out/in { proxy_set_header X-Place inner; proxy_pass http://$TEST_NGINX_BACKEND; } }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/out/a'));
like((seen())[0], qr/^X-Place: outer\r$/m, 'outside');
wait_job(submit('/out/in/a'));
like((seen())[0], qr/^X-Place: inner\r$/m, 'inside');
is(jobs(), 2, 'one job each');



=== TEST 23: a server is found by the name that the client used
--- http_config
    server {
        listen $TEST_NGINX_PORT_2;
        server_name one.test;
        location /a     { async on; proxy_set_header X-Server one; proxy_pass http://$TEST_NGINX_BACKEND; }
        location /jobs/ { async_status; }
    }
    server {
        listen $TEST_NGINX_PORT_2;
        server_name ~^(?<sub>.+)\.two\.test$;
        location /a     { async on; proxy_set_header X-Server two-$sub; proxy_pass http://$TEST_NGINX_BACKEND; }
        location /jobs/ { async_status; }
    }
--- config
    location /a     { async on; proxy_set_header X-Server three; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $case (['one.test', 2, 'one'], ['x.two.test', 2, 'two-x'], ['other.test', 2, 'one'], ['one.test', '', 'three']) {
    my ($host, $port, $server) = @$case;
    my $answer = submit('/a', host => $host, port => $port);
    is(wait_job($answer, 30, host => $host, port => $port)->{resultStatus}, 200, "$host, port '$port': runs");
    my ($head) = seen();
    like($head, qr/^X-Server: $server\r$/m, "$host, port '$port': in its server");
}



=== TEST 24: a chain of redirects makes one job that goes through all of them again
--- config
    location /a     { rewrite ^ /b last; }
    location /b     { root $TEST_NGINX_SERVER_ROOT/html; try_files $uri /c; }
    location /c     { root $TEST_NGINX_SERVER_ROOT/html; try_files $uri @d; }
    location @d     { async on; allow 127.0.0.1; deny all; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a', body => 'x'))->{resultStatus}, 200, 'it runs');
is(executions(), 1, 'once');
is(jobs(), 1, 'as one job');
is((seen())[1], 'x', 'with its body');



=== TEST 25: a request that a backend has had already makes no job by X-Accel-Redirect
--- config
    location /sync/  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location @store  { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
--- check
my $answer = request('POST', '/sync/a?header=X-Accel-Redirect:@store', body => 'x');
isnt($answer->{status}, 202, 'no 202');
is(jobs(), 0, 'no job');
