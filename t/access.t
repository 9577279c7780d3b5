# Access control and limits act at submission, once, and are never turned
# into a 202; the private socket lets nobody in but the worker.

use strict;
use warnings;

use AsyncNginx;

# zones outlive a reload: each block has its own

no_root_location();
plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: auth_basic: 401 makes no job, and a replay is not asked again
--- user_files
>>> passwd
user:{PLAIN}pass
--- config
    location /a     { async on; auth_basic "area"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwd;
                      proxy_set_header X-User $remote_user;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/a', body => 'x');
is($answer->{status}, 401, 'without a name');
like($answer->header('WWW-Authenticate'), qr/Basic realm="area"/, 'as ever');
is(request('POST', '/a', body => 'x', headers => [Authorization => 'Basic dXNlcjpub3Q='])->{status}, 401, 'with a wrong word');
is(jobs(), 0, 'no job');
is(executions(), 0, 'no request');

my $job = submit('/a', headers => [Authorization => 'Basic dXNlcjpwYXNz']);
is(wait_job($job)->{status}, 'completed', 'with the right one it runs');
like((seen())[0], qr/^X-User: user\r$/m, 'with the name');



=== TEST 2: a job runs though the password that let it in is gone
--- no_worker
--- user_files
>>> passwd
user:{PLAIN}pass
--- config
    location /a     { async on; auth_basic "area"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwd;
                      proxy_set_header X-User $remote_user;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job = submit('/a', headers => [Authorization => 'Basic dXNlcjpwYXNz']);
unlink "$ENV{TEST_NGINX_SERVER_ROOT}/html/passwd" or die $!;
AsyncNginx::_start_worker($t->store);
is(wait_job($job)->{resultStatus}, 200, 'it runs');
like((seen())[0], qr/^X-User: user\r$/m, 'with the name');



=== TEST 3: auth_request: 401 and 403 make no job; a replay is not asked again and has what was set
--- config
    location /a     { async on; auth_request /auth;
                      auth_request_set $auth_user $upstream_http_x_user;
                      proxy_set_header X-User $auth_user;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location = /auth { internal; proxy_pass_request_body off;
                      proxy_set_header Content-Length "";
                      proxy_pass http://$TEST_NGINX_BACKEND/auth?status=$http_x_answer&header=X-User:user-$http_x_n; }
    location /jobs/ { async_status; }
--- check
for my $status (401, 403) {
    is(request('POST', '/a', body => 'x', headers => ['X-Answer' => $status])->{status}, $status, "it says $status");
}
is(jobs(), 0, 'no job');
is(executions(), 2, 'only the two questions');

for my $n (1, 2) {
    my ($job, $result) = submit_and_wait('/a', body => 'x', headers => ['X-Answer' => 200, 'X-N' => $n]);
    is($job->{resultStatus}, 200, "job $n runs");
    like((seen())[0], qr/^X-User: user-$n\r$/m, 'with what was set when it was asked');
}
is(executions(), 6, 'one question and one run each');



=== TEST 4: allow and deny: 403 makes no job, and the worker is not denied
--- config
    location /no    { async on; deny all; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /yes   { async on; allow 127.0.0.1; deny all;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/no', body => 'x')->{status}, 403, 'denied');
is(jobs(), 0, 'no job');
is(wait_job(submit('/yes'))->{resultStatus}, 200, 'allowed: it runs');
is(executions(), 1, 'once');



=== TEST 5: allow unix: is no door for clients, deny unix: none against the worker
--- config
    location /a     { async on; deny unix:; allow all; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a'))->{resultStatus}, 200, 'it runs');



=== TEST 6: limit_req: 503 makes no job, and replays are not counted
--- http_config
    limit_req_zone $arg_who zone=req6:1m rate=1r/m;
--- config
    location /a     { async on; limit_req zone=req6 burst=2 nodelay;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @status = map { request('POST', '/a?who=a', body => 'x')->{status} } 1 .. 4;
is_deeply(\@status, [202, 202, 202, 503], 'three may come');
is(jobs(), 3, 'three jobs');
ok(poll_until(10, sub { executions() == 3 }), 'all of them run');
is(wait_job(submit('/a?who=b'))->{resultStatus}, 200, 'another runs');
is(request('POST', '/a?who=b', body => 'x')->{status}, 202, 'the replay took nothing of its rate');
is(request('POST', '/a?who=b', body => 'x')->{status}, 202, 'nor of its burst');
is(request('POST', '/a?who=b', body => 'x')->{status}, 503, 'the fourth is refused');
is(jobs(), 6, 'six jobs');



=== TEST 7: limit_conn: 503 makes no job, and replays are not counted
--- http_config
    limit_conn_zone $arg_who zone=conn7:1m;
--- config
    location /a     { async on; async_methods POST; limit_conn conn7 1;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @jobs = map { submit("/a?who=a&sleep=0.5&n=$_") } 1 .. 3;
is(wait_job($_)->{resultStatus}, 200, 'a job runs beside the others') for @jobs;

my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port) or die $!;
print $socket "GET /a?who=b&sleep=5 HTTP/1.1\r\nHost: a\r\n\r\n";
ok(poll_until(10, sub { executions() == 4 }), 'a slow request holds the connection');
is(request('POST', '/a?who=b', body => 'x')->{status}, 503, 'another is refused');
is(jobs(), 3, 'no job of it');



=== TEST 8: a refusal stays one through error_page into an async location
--- http_config
    limit_req_zone $arg_who zone=req8:1m rate=1r/m;
--- user_files
>>> passwd
user:{PLAIN}pass
--- config
    async on;
    error_page 401 403 503 @denied;
    location /deny  { deny all; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /basic { auth_basic "area"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwd;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /ask   { auth_request /auth; proxy_pass http://$TEST_NGINX_BACKEND; }
    location = /auth { internal; error_page 418 /; return 403; }
    location /rate  { limit_req zone=req8; proxy_pass http://$TEST_NGINX_BACKEND; }
    location @denied { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/rate?who=a', body => 'x')->{status}, 202, 'the first of a rate is accepted');
ok(poll_until(10, sub { executions() == 1 }), 'and runs');
for my $case (['/deny', 403], ['/basic', 401], ['/ask', 403], ['/rate?who=a', 503]) {
    my ($uri, $status) = @$case;
    my $answer = request('POST', $uri, body => 'x');
    is($answer->{status}, $status, "$uri: still $status");
    is($answer->header('Location'), undef, "$uri: no Location");
}
is(jobs(), 1, 'no job of them');
is(executions(), 5, 'the error pages were made by the backend, at once');



=== TEST 9: a refusal stays one through error_page into a location that can be reached
--- config
    async on;
    error_page 403 =200 /page;
    location /deny  { deny all; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /page  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/deny', body => 'x')->{status}, 200, 'the page, not a 202');
is(jobs(), 0, 'no job');



=== TEST 10: satisfy any: one of two is enough at submission, none is asked at the replay
--- user_files
>>> passwd
user:{PLAIN}pass
--- config
    location /a     { async on; satisfy any; deny all;
                      auth_basic "area"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwd;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; satisfy any; allow 127.0.0.1; deny all;
                      auth_basic "area"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwd;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', body => 'x')->{status}, 401, 'neither: refused');
is(jobs(), 0, 'no job');
is(wait_job(submit('/a', headers => [Authorization => 'Basic dXNlcjpwYXNz']))->{resultStatus}, 200, 'by the password');
is(wait_job(submit('/b'))->{resultStatus}, 200, 'by the address');
is(executions(), 2, 'each ran once');



=== TEST 11: satisfy all: both are asked at submission, none at the replay
--- user_files
>>> passwd
user:{PLAIN}pass
--- config
    location /a     { async on; satisfy all; allow 127.0.0.1; deny all;
                      auth_basic "area"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwd;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', body => 'x')->{status}, 401, 'one is not enough');
is(wait_job(submit('/a', headers => [Authorization => 'Basic dXNlcjpwYXNz']))->{resultStatus}, 200, 'both are');
is(jobs(), 1, 'one job');



=== TEST 12: an internal location is 404 from outside, and no job
--- config
    location /a     { internal; async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/a', body => 'x')->{status}, 404, 'not found');
is(jobs(), 0, 'no job');



=== TEST 13: X-Accel-Redirect of the backend into deny all is refused, as it is without us
--- user_files
>>> secret/file
secret
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /sync  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /secret { deny all; root $TEST_NGINX_SERVER_ROOT/html; }
    location /jobs/ { async_status; }
--- check
my $uri = '?header=X-Accel-Redirect:/secret/file';
is(get("/sync$uri")->{status}, 403, 'the synchronous twin');
my ($job, $result) = submit_and_wait("/a$uri");
is($job->{status}, 'failed', 'the job fails');
is($job->{resultStatus}, 403, 'with 403');
is($job->{error}{code}, 'backend-status', 'its code');
is($result->{status}, 403, 'the result is the refusal');
unlike($result->{body}, qr/^secret/m, 'and not the file');



=== TEST 14: X-Accel-Redirect into a location that asks for a password is refused, though another was passed
--- user_files
>>> secret/file
secret
>>> passwd
user:{PLAIN}pass
>>> others
other:{PLAIN}pass
--- config
    location /a     { async on; auth_basic "a"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/passwd;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /secret { auth_basic "b"; auth_basic_user_file $TEST_NGINX_SERVER_ROOT/html/others;
                      root $TEST_NGINX_SERVER_ROOT/html; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?header=X-Accel-Redirect:/secret/file', headers => [Authorization => 'Basic dXNlcjpwYXNz']);
is($job->{resultStatus}, 401, 'the job failed so');
unlike($result->{body}, qr/^secret/m, 'and not the file');



=== TEST 15: X-Accel-Redirect into an internal location delivers what is there
--- user_files
>>> inside/file
inside
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /inside { internal; root $TEST_NGINX_SERVER_ROOT/html; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?header=X-Accel-Redirect:/inside/file', method => 'PUT');
is($job->{status}, 'completed', 'the job is completed') or diag explain $job;
is($result->{body}, "inside\n", 'with the file');
is(executions(), 1, 'the backend was asked once');
is(jobs(), 1, 'and one job made');



=== TEST 16: X-Accel-Redirect into an async location makes no second job
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_methods GET POST; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?header=X-Accel-Redirect:/b?from=a', method => 'PUT');
is($job->{status}, 'completed', 'the job is completed');
is($result->json->{target}, '/b?from=a', 'with what is there');
is(jobs(), 1, 'one job');



=== TEST 17: error_page at the replay into deny all is refused
--- config
    location /a     { async on; proxy_intercept_errors on; error_page 500 /secret;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /secret { deny all; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($job, $result) = submit_and_wait('/a?status=500');
is($job->{status}, 'failed', 'the job fails');
is($job->{resultStatus}, get('/a?status=500')->{status}, 'as its synchronous twin does');
is(executions(), 2, 'and what is denied was not asked');



=== TEST 18: the private socket refuses whoever is not the worker, and nothing runs
--- config
    location /a     { async on; async_methods GET POST; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /open  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a'));
my ($socket) = glob $t->store . '/run/*.sock';
ok($socket, 'there is one') or die;
my $id = '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11';
my %ticket = (
    'no ticket'      => '',
    'an empty one'   => "Async-Replay: \r\n",
    'a short one'    => "Async-Replay: x $id 1\r\n",
    'a wrong token'  => 'Async-Replay: ' . '0' x 32 . " $id 1\r\n",
    'a longer token' => 'Async-Replay: ' . 'f' x 64 . " $id 1\r\n",
    'no attempt'     => 'Async-Replay: ' . '0' x 32 . " $id \r\n",
);
for my $what (sort keys %ticket) {
    for my $uri ('/a', '/open', '/jobs/', '/') {
        my $answer = raw("GET $uri HTTP/1.1\r\nHost: a\r\n$ticket{$what}\r\n", path => $socket);
        is($answer->{status}, 403, "$what: 403 at $uri");
    }
}
is(executions(), 1, 'nothing ran');
is(jobs(), 1, 'and nothing became a job');
like(error_logged(qr/private socket/), qr/\[warn\] .*request on a private socket refused: it is not from the worker of this store/, 'the log says so');



=== TEST 19: error_page cannot hide a refusal of the private socket
--- config
    error_page 403 =200 /open;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /open  { proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a'));
my ($socket) = glob $t->store . '/run/*.sock';
my $answer = raw("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", path => $socket);
is($answer->{status}, 403, 'forbidden');
is($answer->header('Content-Length'), 0, 'and nothing else');
is(executions(), 1, 'nothing ran');



=== TEST 20: a limit that is at the server acts once as well
--- config
    limit_req zone=req20 burst=1 nodelay;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; limit_req zone=other20; }
--- http_config
    limit_req_zone $arg_who zone=req20:1m rate=1r/m;
    limit_req_zone $arg_none zone=other20:1m rate=1r/s;
--- check
is(wait_job(submit('/a?who=a'))->{resultStatus}, 200, 'the first runs');
is(wait_job(submit('/a?who=a'))->{resultStatus}, 200, 'and the second');
is(request('POST', '/a?who=a', body => 'x')->{status}, 503, 'the third is refused');



=== TEST 21: access control of a status location acts as ever
--- config
    location /a      { async on; async_status_uri /jobs/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; deny all; }
    location /admin/ { async_status; }
--- check
my $answer = submit('/a');
my $id = $answer->json->{id};
is(wait_job("/admin/$id")->{status}, 'completed', 'the job runs');
is(get("/jobs/$id")->{status}, 403, 'its document is denied');
is(get("/jobs/$id/result")->{status}, 403, 'and its result');



=== TEST 22: a backend cannot send a replay past access control by a nested regex
--- user_files
>>> priv/secret.php
TOP SECRET
--- config
    location /pub/  { location ~ \.php$ { async on; proxy_pass http://$TEST_NGINX_BACKEND; } }
    location /priv/ { location ~ \.php$ { deny all; root html; } }
    location /jobs/ { async_status; }
--- check
is(get('/priv/secret.php')->{status}, 403, 'not for a client');
my $json = wait_job(submit('/pub/a.php?header=X-Accel-Redirect:/priv/secret.php'));
is($json->{resultStatus}, 403, 'nor through a job');
unlike(get($json->{resultUrl})->{body}, qr/SECRET/, 'nothing of it');



=== TEST 23: regular expressions that differ in case only are two locations
--- user_files
>>> secret.PHP
TOP SECRET
--- config
    location ~ \.php$  { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location ~* \.php$ { deny all; root html; }
    location /jobs/    { async_status; }
--- check
is(get('/secret.PHP')->{status}, 403, 'not for a client');
my $json = wait_job(submit('/a.php?header=X-Accel-Redirect:/secret.PHP'));
is($json->{resultStatus}, 403, 'nor through a job');
