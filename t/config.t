# Directives: what is wrong fails with a sentence that says what to write
# instead; a store that cannot be used harms no other location.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: async_store is needed once a location is asynchronous
--- store: off
--- config
    location /a     { async on; return 200; }
    location /jobs/ { async_status; }
--- refused: asynchronous locations need a store: add "async_store /var/lib/nginx-async;" to the http block



=== TEST 2: async_store is needed for a status location alone
--- store: off
--- config
    location /jobs/ { async_status; }
--- refused: asynchronous locations need a store



=== TEST 3: without any directive of ours no store is needed
--- store: off
--- config
    location /a { return 200 "plain"; }
--- check
is(get('/a')->{body}, 'plain', 'nginx works as ever');
is((nginx_t())[0], 0, 'nginx -t agrees');



=== TEST 4: async_store is given once
--- http_config
    async_store $TEST_NGINX_DATA/other;
--- config
    location /jobs/ { async_status; }
--- refused: "async_store" directive is duplicate



=== TEST 5: async_store refuses a size that is none
--- store: size=much
--- config
    location /jobs/ { async_status; }
--- refused: invalid size "much": write a size of at least 16m, such as size=64g



=== TEST 6: async_store refuses a size too small to work with
--- store: size=15m
--- config
    location /jobs/ { async_status; }
--- refused: invalid size "15m": write a size of at least 16m



=== TEST 7: async_store refuses a sync that it does not know
--- store: sync=never
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "sync=never": async_store takes size=64g, sync=strict or sync=relaxed, and key=file



=== TEST 8: async_store refuses an unknown parameter
--- store: shards=3
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "shards=3": async_store takes



=== TEST 9: async_store refuses an empty path
--- store: off
--- http_config
    async_store "";
--- config
    location /jobs/ { async_status; }
--- refused: "async_store" directive needs a folder, such as /var/lib/nginx-async



=== TEST 10: async_store refuses a path too long for the sockets below it
--- store: off
--- http_config eval
"async_store $ENV{TEST_NGINX_DATA}/" . 'x' x 100 . ";\n"
--- config
    location /a     { async on; return 200; }
    location /jobs/ { async_status; }
--- refused: the folder of "async_store" has too long a name for the sockets below



=== TEST 11: async_store belongs to the http block
--- config
    async_store $TEST_NGINX_DATA/other;
--- refused: "async_store" directive is not allowed here



=== TEST 12: async_store works with all of its parameters
--- store: size=16m sync=relaxed
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a'))->{status}, 'completed', 'a job is run');



=== TEST 13: async_queue refuses a concurrency of 0
--- http_config
    async_queue slow concurrency=0;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "concurrency=0": async_queue takes concurrency=8, max_queued=100000 and per_owner=100, whole numbers above 0



=== TEST 14: async_queue refuses a max_queued that is no number
--- http_config
    async_queue slow max_queued=many;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "max_queued=many": async_queue takes



=== TEST 15: async_queue refuses an unknown parameter
--- http_config
    async_queue slow colour=red;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "colour=red": async_queue takes



=== TEST 16: async_queue refuses a name that it has seen
--- http_config
    async_queue slow;
    async_queue slow concurrency=2;
--- config
    location /jobs/ { async_status; }
--- refused: "async_queue" directive is duplicate



=== TEST 17: async_queue refuses a name that is too long
--- http_config eval
'async_queue ' . 'q' x 65 . ";\n"
--- config
    location /jobs/ { async_status; }
--- refused: "async_queue" directive needs a name of 1 to 64 bytes



=== TEST 18: the queue that always exists can be given limits
--- http_config
    async_queue default concurrency=2 max_queued=10;
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a'))->{queue}, 'default', 'a job is run there');



=== TEST 19: async refuses a value that it does not know
--- config
    location /a     { async yes; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid value "yes" in "async": write "async on", "async prefer" (both with or without queue=name) or "async off"



=== TEST 20: async refuses a parameter that it does not know
--- config
    location /a     { async on line=3; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid parameter "line=3" in "async": write queue=name



=== TEST 21: async refuses an empty queue name
--- config
    location /a     { async on queue=; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid parameter "queue=" in "async": write queue=name



=== TEST 22: async off takes no queue
--- config
    location /a     { async off queue=default; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid value "off" in "async"



=== TEST 23: async is given once in a location
--- config
    location /a     { async on; async off; return 200; }
    location /jobs/ { async_status; }
--- refused: "async" directive is duplicate



=== TEST 24: async refuses a queue that is not declared
--- config
    location /a     { async on queue=reports; return 200; }
    location /jobs/ { async_status; }
--- refused: unknown queue "reports" in location "/a": add "async_queue reports;" to the http block



=== TEST 25: a queue may be declared behind its use
--- config
    location /a     { async on queue=late; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    }
    async_queue late;
    server {
        listen $TEST_NGINX_PORT_2;
--- check
is(wait_job(submit('/a'))->{queue}, 'late', 'and its jobs carry its name');



=== TEST 26: a server with an async location needs a status location
--- config
    location /a { async on; return 200; }
--- refused: has 0 "async_status" locations: write one "location /jobs/ { async_status; }" there, or say which with "async_status_uri /jobs/"



=== TEST 27: of two status locations async_status_uri must choose
--- config
    location /a      { async on; return 200; }
    location /jobs/  { async_status; }
    location /tasks/ { async_status; }
--- refused: "async on" in location "/a" of server "localhost" cannot tell where its jobs live, since that server has 2 "async_status" locations



=== TEST 28: of two status locations the chosen one is used, and both serve
--- config
    location /a      { async on; async_status_uri /tasks/;
                       proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
    location /tasks/ { async_status; }
--- check
my $answer = submit('/a');
my ($id) = $answer->header('Location') =~ m{/tasks/([^/]+)$};
ok($id, 'Location names the chosen one') or diag $answer->{head};
is(wait_job("/tasks/$id")->{status}, 'completed', 'which serves the job');
is(get("/jobs/$id")->{status}, 200, 'as the other one does');



=== TEST 29: an async location below another one has its status location too
--- config
    location /jobs/ { async_status; }
    location /a     { async on; return 200;
        location /a/b { proxy_pass http://$TEST_NGINX_BACKEND; } }
--- check
is(wait_job(submit('/a/b'))->{status}, 'completed', 'async is inherited');



=== TEST 30: a status location must end in a slash
--- config
    location /jobs { async_status; }
--- refused: "async_status" needs a location that is a prefix and ends in "/", such as "location /jobs/", not "/jobs"



=== TEST 31: a status location cannot be a regular expression
--- config
    location ~ ^/jobs/ { async_status; }
--- refused: "async_status" needs a location that is a prefix and ends in "/"



=== TEST 32: a status location cannot be an exact match
--- config
    location = /jobs/ { async_status; }
--- refused: "async_status" needs a location that is a prefix and ends in "/"



=== TEST 33: a status location cannot be a named location
--- config
    location @jobs/ { async_status; }
--- refused: "async_status" needs a location that is a prefix and ends in "/"



=== TEST 34: a status location may have ^~
--- config
    location /a        { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location ^~ /jobs/ { async_status; }
    location ~ /jobs/  { return 418; }
--- check
is(wait_job(submit('/a'))->{status}, 'completed', 'it serves its jobs');



=== TEST 35: async_status belongs to a location
--- config
    async_status;
--- refused: "async_status" directive is not allowed here



=== TEST 36: async_status takes no argument
--- config
    location /jobs/ { async_status on; }
--- refused: invalid number of arguments in "async_status" directive



=== TEST 37: async_status is given once in a location
--- config
    location /jobs/ { async_status; async_status; }
--- refused: "async_status" directive is duplicate



=== TEST 38: async_status_uri must end in a slash
--- config
    location /a     { async on; async_status_uri /jobs; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri /jobs" does not end in "/": write a path such as /jobs/ or a URL such as https://example.com/jobs/



=== TEST 39: async_status_uri cannot be empty
--- config
    location /a     { async on; async_status_uri ""; return 200; }
    location /jobs/ { async_status; }
--- refused: does not end in "/"



=== TEST 40: async_methods refuses CONNECT
--- config
    location /a     { async on; async_methods POST CONNECT; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid method "CONNECT": write methods in capitals, such as POST PUT; CONNECT and TRACE cannot become jobs



=== TEST 41: async_methods refuses TRACE
--- config
    location /a     { async on; async_methods TRACE; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid method "TRACE"



=== TEST 42: async_methods refuses small letters
--- config
    location /a     { async on; async_methods post; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid method "post": write methods in capitals



=== TEST 43: async_methods is given once in a location
--- config
    location /a     { async on; async_methods POST; async_methods PUT; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_methods" directive is duplicate



=== TEST 44: async_bypass is given once in a location
--- config
    location /a     { async on; async_bypass $arg_a; async_bypass off; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_bypass" directive is duplicate



=== TEST 45: async_bypass refuses a variable that nobody knows
--- config
    location /a     { async on; async_bypass $nobody_knows; return 200; }
    location /jobs/ { async_status; }
--- refused: unknown "nobody_knows" variable



=== TEST 46: async_timeout refuses what is no time
--- config
    location /a     { async on; async_timeout soon; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_timeout" directive takes the time that one attempt may take, such as 15m



=== TEST 47: async_timeout refuses no time at all
--- config
    location /a     { async on; async_timeout 0; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_timeout" directive takes the time that one attempt may take, such as 15m



=== TEST 48: async_result_max refuses what is no size
--- config
    location /a     { async on; async_result_max big; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_result_max" directive takes the size that a response may have, such as 1g



=== TEST 49: async_retry_after refuses less than a second
--- config
    location /a     { async on; async_retry_after 0; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_retry_after" directive takes auto or a time of at least one second, such as 5s



=== TEST 50: async_retry_after refuses what is no time
--- config
    location /a     { async on; async_retry_after later; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_retry_after" directive takes auto or a time



=== TEST 51: async_keep takes variables
--- config
    location /a     { async on; async_keep tenant; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid variable name "tenant": write $name



=== TEST 52: async_keep refuses a variable that nobody knows
--- config
    location /a     { async on; async_keep $nobody_knows; return 200; }
    location /jobs/ { async_status; }
--- refused: unknown "nobody_knows" variable



=== TEST 53: async_drop_header is given once in a location
--- config
    location /a     { async on; async_drop_header A; async_drop_header B; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_drop_header" directive is duplicate



=== TEST 54: nginx -t refuses a store whose parent is missing; a start goes on without it
--- store: off
--- http_config
    async_store $TEST_NGINX_DATA/missing/store;
--- config
    location /a     { async on; return 418; }
    location /b     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    location /other { return 200 "serves"; }
--- check
my ($status, $said) = nginx_t();
is($status, 1, 'nginx -t fails');
like($said, qr{\[emerg\] .*the folder "\S+/missing/store" of "async_store" cannot be made: create its parent, or name a folder that nginx may write to}, 'with a sentence');
like(error_logged(qr/async_store/), qr/\[error\] .*cannot be made: create its parent/, 'a start says the same');
is(get('/other')->{body}, 'serves', 'another location serves');
my $answer = request('POST', '/b', body => 'x');
is($answer->{status}, 503, 'a submit is refused');
is($answer->json->{code}, 'store-unavailable', 'with the reason');
ok($answer->header('Retry-After'), 'and may be tried again');
is(get('/b')->{status}, 200, 'what is not intercepted is untouched');
is(get('/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11')->{status}, 503, 'a job cannot be asked for');
is(executions(), 1, 'only the plain request came to the backend');



=== TEST 55: nginx -t refuses a store that lies below a file
--- store: off
--- prepare
open my $out, '>', "$ENV{TEST_NGINX_DATA}/file" or die $!;
--- http_config
    async_store $TEST_NGINX_DATA/file/store;
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    location /other { return 200 "serves"; }
--- check
my ($status, $said) = nginx_t();
is($status, 1, 'nginx -t fails');
like($said, qr{\[emerg\] .*the folder "\S+/file/store" of "async_store" cannot be made}, 'with a sentence');
is(get('/other')->{body}, 'serves', 'another location serves');
is(request('POST', '/a', body => 'x')->{status}, 503, 'a submit is refused');
is(executions(), 0, 'and nothing runs');



=== TEST 56: nginx -t refuses a store that is a file
--- store: off
--- prepare
open my $out, '>', "$ENV{TEST_NGINX_DATA}/plain" or die $!;
--- http_config
    async_store $TEST_NGINX_DATA/plain;
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    location /other { return 200 "serves"; }
--- check
my ($status, $said) = nginx_t();
is($status, 1, 'nginx -t fails');
like($said, qr{\[emerg\] .*"\S+/plain}, 'with a sentence that names it');
is(get('/other')->{body}, 'serves', 'another location serves');
is(request('POST', '/a', body => 'x')->{status}, 503, 'a submit is refused');
is(executions(), 0, 'and nothing runs');



=== TEST 57: a store that nginx may not write to harms no other location
--- store: off
--- prepare
use File::Path qw(make_path);
make_path("$ENV{TEST_NGINX_DATA}/readonly");
open my $out, '>', "$ENV{TEST_NGINX_DATA}/readonly/db" or die $!;
--- http_config
    async_store $TEST_NGINX_DATA/readonly;
--- expect_log: async_store
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    location /other { return 200 "serves"; }
--- check
my ($status, $said) = nginx_t();
is($status, 1, 'nginx -t fails');
like($said, qr{async_store: .*readonly/db}, 'with a sentence that names it');
like(error_logged(qr/async_store/), qr/\[error\] .*readonly/, 'a start says so too');
is(get('/other')->{body}, 'serves', 'another location serves');
is(request('POST', '/a', body => 'x')->{status}, 503, 'a submit is refused');
is(executions(), 0, 'and nothing runs');



=== TEST 58: nginx -t leaves a running store alone
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job = submit('/a');
my ($status, $said) = nginx_t();
is($status, 0, 'nginx -t agrees') or diag $said;
is(wait_job($job)->{status}, 'completed', 'the job runs');
is(wait_job(submit('/a'))->{status}, 'completed', 'and so does one behind');



=== TEST 59: nginx -t warns of grpc_pass in an async location
--- config
    location /a     { async on; grpc_pass 127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my ($status, $said) = nginx_t();
is($status, 0, 'it is allowed');
like($said, qr{\[warn\] .*location "/a" leaves gRPC requests alone: grpc_pass cannot run as a job; write "async off" there}, 'and said');



=== TEST 60: nginx -t warns where a timeout cannot close the backend connection
--- config
    location /a     { async on; proxy_ignore_client_abort on;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /f     { async on; fastcgi_ignore_client_abort on; fastcgi_pass 127.0.0.1:1; }
    location /u     { async on; uwsgi_ignore_client_abort on; uwsgi_pass 127.0.0.1:1; }
    location /s     { async on; scgi_ignore_client_abort on; scgi_pass 127.0.0.1:1; }
    location /n     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($status, $said) = nginx_t();
is($status, 0, 'it is allowed');
is_deeply([sort $said =~ m{\[warn\] .*"ignore_client_abort" is on in location "([^"]+)"}g], ['/a', '/f', '/s', '/u'], 'and said');



=== TEST 61: nginx -t warns where a reload would cut a job
--- main_config
    worker_shutdown_timeout 10s;
--- config
    location /a     { async on; async_timeout 11s; return 200; }
    location /jobs/ { async_status; }
--- check
my ($status, $said) = nginx_t();
is($status, 0, 'it is allowed');
like(($said . error_logged(qr/shutdown_timeout/)), qr{\[warn\] .*"worker_shutdown_timeout" of 10000 ms is shorter than an "async_timeout" of 11000 ms}, 'and said');



=== TEST 62: a list that is off cancels what is inherited
--- config
    async_bypass 1;
    async_drop_header X-Secret;
    location /a     { async on; async_bypass off; async_drop_header off;
                      proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(request('POST', '/b', body => '')->{status}, 200, 'the inherited list bypasses');
wait_job(submit('/a', headers => ['X-Secret' => 'known']));
like((seen())[0], qr/^X-Secret: known\r$/m, 'the canceled lists do nothing');
is(jobs(), 1, 'one of them was a job');



=== TEST 63: async_result_max refuses no size at all
--- config
    location /a     { async on; async_result_max 0; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_result_max" directive takes the size that a response may have, such as 1g



=== TEST 64: async_estimate takes on or off
--- config
    location /a     { async on; async_estimate maybe; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid value "maybe" in "async_estimate" directive, it must be "on" or "off"



=== TEST 65: a status location answers, and passes nothing on
--- config
    location /jobs/ { async_status; proxy_pass http://$TEST_NGINX_BACKEND; }
--- refused: location "/jobs/" has "async_status", and another directive that answers its requests, such as proxy_pass: write one location for each



=== TEST 66: nor when it stands behind that
--- config
    location /jobs/ { proxy_pass http://$TEST_NGINX_BACKEND; async_status; }
--- refused: "async_status" directive stands beside another directive that answers requests, such as proxy_pass: write one location for each



=== TEST 67: a status location is not asynchronous itself
--- config
    location / { async on; async_status; }
--- refused: location "/" has "async_status" and "async": write one location for each, such as "location /jobs/ { async_status; }"



=== TEST 68: what is inherited does not count
--- config
    async on;
    location /jobs/ { async_status; }
--- check
is((nginx_t())[0], 0, 'nginx -t takes it');



=== TEST 69: async_start_timeout refuses what is no time
--- config
    location /a     { async on; async_start_timeout off; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_start_timeout" directive takes the time that a job may wait for its start, such as 24h



=== TEST 70: async_status_uri is a path from the root
--- config
    location /a     { async on; async_status_uri jobs/; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri jobs/" is neither a path nor a URL of http or https: write one such as /jobs/ or https://example.com/jobs/



=== TEST 71: async_status_uri is no URL of another scheme
--- config
    location /a     { async on; async_status_uri ftp://example.com/jobs/; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri ftp://example.com/jobs/" is neither a path nor a URL of http or https



=== TEST 72: async_status_uri names a host
--- config
    location /a     { async on; async_status_uri http:///jobs/; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri http:///jobs/" is neither a path nor a URL of http or https



=== TEST 73: async_status_uri is no host without a scheme
--- config
    location /a     { async on; async_status_uri //example.com/jobs/; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri //example.com/jobs/" is neither a path nor a URL of http or https



=== TEST 74: async_status_uri has no query
--- config
    location /a     { async on; async_status_uri https://example.com/jobs/?of=/; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri https://example.com/jobs/?of=/" is neither a path nor a URL of http or https



=== TEST 75: async_status_uri ends in a slash, also behind a variable
--- config
    location /a     { async on; async_status_uri $scheme://example.com/jobs; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri $scheme://example.com/jobs" does not end in "/"



=== TEST 76: a variable at the end of async_status_uri may hold the slash
--- config
    location /a     { async on; async_status_uri /jobs/$arg_of; return 200; }
    location /b     { async on; async_status_uri "/jobs/${arg_of}"; return 200; }
    location ~ ^(.) { async on; async_status_uri $1; return 200; }
    location /jobs/ { async_status; }
--- check
is((nginx_t())[0], 0, 'nginx -t takes it');



=== TEST 77: off in a list of async_bypass stands alone
--- config
    location /a     { async on; async_bypass $arg_a off; return 200; }
    location /jobs/ { async_status; }
--- refused: "off" in "async_bypass" stands alone: write "async_bypass off", or leave it out



=== TEST 78: off in a list of async_drop_header stands alone
--- config
    location /a     { async on; async_drop_header off Cookie; return 200; }
    location /jobs/ { async_status; }
--- refused: "off" in "async_drop_header" stands alone



=== TEST 79: off in a list of async_keep stands alone
--- config
    location /a     { async on; async_keep $arg_a off; return 200; }
    location /jobs/ { async_status; }
--- refused: "off" in "async_keep" stands alone



=== TEST 80: async_drop_header refuses what is no name
--- config
    location /a     { async on; async_drop_header "Cookie X-Trace"; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid header name "Cookie X-Trace": write names as they are sent, such as Cookie X-Trace



=== TEST 81: async_drop_header refuses variables
--- config
    location /a     { async on; async_drop_header $http_cookie; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid header name "$http_cookie"



=== TEST 82: async_drop_header refuses a colon
--- config
    location /a     { async on; async_drop_header Cookie:; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid header name "Cookie:"



=== TEST 83: async_queue needs a store, too
--- store: off
--- http_config
    async_queue reports;
--- config
    location /a { return 200; }
--- refused: asynchronous locations need a store: add "async_store /var/lib/nginx-async;" to the http block



=== TEST 84: the base of async_progress has no variables
--- config
    location /progress/ { async_progress base=http://$host; }
--- refused: invalid parameter "base=http://$host" in "async_progress": write the address that backends reach this server at, such as base=http://10.0.0.1:8080
