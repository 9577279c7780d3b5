# Whose a job is: only its owner may see it, and for others it is not there.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

no_root_location();
plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a job is served to its owner, and to nobody else
--- config
    async_owner $http_x_user;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my @ann = (headers => ['X-User' => 'ann']);
my @bob = (headers => ['X-User' => 'bob']);
my $url = submit('/a', @ann)->json->{statusUrl};
is(wait_job($url, 30, @ann)->{status}, 'completed', 'it is run, and its owner sees it');
is(get("$url/result", @ann)->{status}, 200, 'and its result');

my $unknown = '/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11';
for my $who ([@bob], [headers => ['X-User' => '']], []) {
    for my $below ('', '/result', '/history') {
        for my $method (qw(GET HEAD)) {
            my ($one, $two) = map { request($method, "$_$below", @$who) }
                              $url, $unknown;
            is($one->{status}, 404, "$method $below is not there");
            is($one->{head} =~ s/^Date:.*\n//mr . $one->{body}, $two->{head} =~ s/^Date:.*\n//mr . $two->{body}, 'as one that never was');
        }
    }
}



=== TEST 2: an owner that is empty submits nothing
--- config
    location /a     { async on; async_owner $http_x_user; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; async_owner $http_x_user; }
--- check
for my $headers ([], ['X-User' => '']) {
    my $answer = request('POST', '/a', headers => $headers, body => 'x' x 100_000);
    is($answer->{status}, 403, 'it is refused');
    is($answer->json->{code}, 'owner-required', 'code');
    is($answer->header('Content-Type'), 'application/problem+json', 'Content-Type');
    is($answer->header('Location'), undef, 'no Location');
}
is(jobs(), 0, 'there is no job');
is(executions(), 0, 'nothing was run');



=== TEST 3: a refusal is not hidden by error_page
--- no_worker
--- config
    error_page 403 = /other;
    location /other { return 200 "other"; }
    location /a     { async on; async_owner $http_x_user; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; async_owner $http_x_user; }
--- check
is(request('POST', '/a', body => '')->{status}, 403, 'it is a 403');



=== TEST 4: a status location without owners serves no job that has one
--- no_worker
--- http_config
    server {
        listen $TEST_NGINX_PORT_2;
        location /jobs/ { async_status; }
    }
--- config
    location /a     { async on; async_owner $http_x_user; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; async_owner $http_x_user; }
--- check
my @ann = (headers => ['X-User' => 'ann']);
my $url = submit('/a', @ann)->json->{statusUrl};
is(get($url, @ann)->{status}, 200, 'its own does');
is(get($url, @ann, port => 2)->{status}, 404, 'another does not');



=== TEST 5: a status location with owners serves no job that has none
--- no_worker
--- http_config
    server {
        listen $TEST_NGINX_PORT_2;
        location /jobs/ { async_status; async_owner $http_x_user; }
    }
--- config
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
is(get($url)->{status}, 200, 'its own does');
is(get($url, port => 2)->{status}, 404, 'another does not');
is(get($url, port => 2, headers => ['X-User' => 'ann'])->{status}, 404, 'whoever asks');



=== TEST 6: any status location serves the job of who may see it
--- no_worker
--- http_config
    server {
        listen $TEST_NGINX_PORT_2;
        location /tasks/ { async_status; async_owner $arg_me; }
    }
--- config
    location /a     { async on; async_owner $http_x_user; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; async_owner $http_x_user; }
--- check
my $job = submit('/a', headers => ['X-User' => 'ann'])->json;
is(get("/tasks/$job->{id}?me=ann", port => 2)->{status}, 200, 'whatever the name comes from');
is(get("/tasks/$job->{id}?me=bob", port => 2)->{status}, 404, 'as long as it is the same');



=== TEST 7: a wrong password is a matter of nginx
--- no_worker
--- prepare
open my $out, '>', "$ENV{TEST_NGINX_DATA}/users" or die;
print $out "$_:{PLAIN}secret\n" for qw(ann bob);
close $out;
--- config
    auth_basic jobs;
    auth_basic_user_file $TEST_NGINX_DATA/users;
    async_owner $remote_user;
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my %as = (ann => 'YW5uOnNlY3JldA==', bob => 'Ym9iOnNlY3JldA==', wrong => 'YW5uOndyb25n');
my $url = submit('/a', headers => [Authorization => "Basic $as{ann}"])->json->{statusUrl};
my %status = map { $_ => get($url, headers => [Authorization => "Basic $as{$_}"])->{status} } keys %as;
is_deeply(\%status, { ann => 200, bob => 404, wrong => 401 }, 'owner, another, wrong password');
is(get($url)->{status}, 401, 'no password');



=== TEST 8: cookies are for the owner
--- config
    location /a     { async on; async_owner $http_x_user; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; async_owner $http_x_user; }
--- check
my @ann = (headers => ['X-User' => 'ann']);
my $url = submit('/a?header=Set-Cookie:a=1&header=Set-Cookie:b=2', @ann)->json->{statusUrl};
wait_job($url, 30, @ann);
is_deeply([get("$url/result", @ann)->headers('Set-Cookie')], ['a=1', 'b=2'], 'a result with an owner keeps its cookies');



=== TEST 9: off cancels an inherited owner
--- no_worker
--- config
    async_owner $http_x_user;
    location /a     { async on; async_owner off; async_status_uri /open/; proxy_pass http://127.0.0.1:1; }
    location /open/ { async_status; async_owner off; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
is(get($url)->{status}, 200, 'whoever knows the URL may use it');



=== TEST 10: a status location must know the owners of its jobs
--- config
    location /a     { async on; async_owner $remote_user; return 200; }
    location /jobs/ { async_status; }
--- refused: jobs of location "/a" of server "localhost" have an owner, but their status location "/jobs/" knows none: write the same "async_owner" there



=== TEST 11: jobs must have an owner where their status location wants one
--- config
    location /a     { async on; return 200; }
    location /jobs/ { async_status; async_owner $remote_user; }
--- refused: the status location "/jobs/" of server "localhost" serves owners only, but jobs of location "/a" have none: write the same "async_owner" there



=== TEST 12: the status location that async_status_uri names is the one that counts
--- config
    location /a      { async on; async_owner $remote_user; async_status_uri /tasks/; return 200; }
    location /jobs/  { async_status; async_owner $remote_user; }
    location /tasks/ { async_status; }
--- refused: jobs of location "/a" of server "localhost" have an owner, but their status location "/tasks/" knows none



=== TEST 13: async_status_uri must name a status location
--- config
    location /a     { async on; async_status_uri /tasks/; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_status_uri /tasks/" in location "/a" of server "localhost" names no "async_status" location of that server: write "location /tasks/ { async_status; }" there, or a URL such as https://example.com/tasks/



=== TEST 14: an owner is not empty by configuration
--- config
    location /a     { async on; async_owner ""; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_owner" has an empty value: write "async_owner $remote_user", or "async_owner off"



=== TEST 15: an owner is given once
--- config
    location /a     { async on; async_owner $a; async_owner $b; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_owner" directive is duplicate



=== TEST 16: the locations of a server may have what its own level has not
--- no_worker
--- config
    async on;
    location /a     { async_owner $http_x_user; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; async_owner $http_x_user; }
--- check
my @ann = (headers => ['X-User' => 'ann']);
is(get(submit('/a', @ann)->json->{statusUrl}, @ann)->{status}, 200, 'a job is accepted');



=== TEST 17: an owner has so many unfinished jobs in a queue, and no more
--- no_worker
--- http_config
    async_queue few per_owner=2;
    async_queue other;
--- config
    async_owner $http_x_user;
    location /a     { async on queue=few; proxy_pass http://127.0.0.1:1; }
    location /b     { async on queue=other; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my @ann = (headers => ['X-User' => 'ann'], body => 'x');
my ($first) = map { submit('/a', @ann)->json->{statusUrl} } 1, 2;
my $answer = request('POST', '/a', @ann);
is($answer->{status}, 429, 'a third is refused');
is($answer->json->{code}, 'owner-limit', 'code');
ok($answer->header('Retry-After'), 'Retry-After');
is($answer->header('Location'), undef, 'no Location');
is(jobs(), 2, 'there is no job');
submit('/b', @ann);
submit('/a', headers => ['X-User' => 'bob']);
is(request('DELETE', $first, @ann)->{status}, 200, 'one has ended');
submit('/a', @ann);
is(jobs(), 5, 'then another is taken; other queues and owners go by themselves');



=== TEST 18: per_owner is a number
--- http_config
    async_queue few per_owner=0;
--- config
    location /jobs/ { async_status; }
--- refused: invalid parameter "per_owner=0": async_queue takes



=== TEST 19: cookies of a waited answer are for the one who made the job
--- config
    location /a     { async on; async_coalesce $arg_key; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url    = '/a?sleep=1&header=Set-Cookie:session=1';
my @wait   = (Prefer => 'wait=20');
my @key    = ('Idempotency-Key' => 'k');
my $id     = submit("$url&key=k")->json->{id};
my $joined = request('POST', "$url&key=k", headers => [@wait], body => '');
is($joined->{status}, 200, 'one that was coalesced gets the response');
is($joined->header('Async-Job-Id'), $id, 'of that job');
is($joined->header('Set-Cookie'), undef, 'and no cookie');

my $own = request('POST', $url, headers => [@wait, @key], body => '');
is($own->header('Set-Cookie'), 'session=1', 'who made the job gets it');

my $again = request('POST', $url, headers => [@wait, @key], body => '');
is($again->{status}, 200, 'one that knows the key gets the response');
is($again->header('Idempotent-Replayed'), 'true', 'Idempotent-Replayed');
is($again->header('Set-Cookie'), undef, 'and no cookie: it may be another');
