# Jobs that are not to start before a time.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

no_root_location();
plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a delayed job is scheduled, and runs when it is due
--- config
    location /a     { async on; async_delay $http_x_delay; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a', headers => ['X-Delay' => '2s']);
my $before = Time::HiRes::time();
my $job    = $answer->json;
is($job->{status}, 'scheduled', 'status on the 202');
is($answer->header('Retry-After'), 5, 'Retry-After');
my $now = get($job->{statusUrl});
is($now->json->{status}, 'scheduled', 'status') if Time::HiRes::time() < $before + 1;
ok($now->header('Retry-After'), 'Retry-After of the status');
is(wait_job($job->{statusUrl})->{status}, 'completed', 'it is run');
my $done = get($job->{statusUrl})->json;
my ($from, $to) = map { my ($time, $ms) = /T([\d:]+)\.(\d+)Z/; my ($h, $m, $s) = split /:/, $time; ($h * 60 + $m) * 60 + $s + $ms / 1000 } @$done{qw(createdAt startedAt)};
cmp_ok(($to - $from) < 0 ? $to - $from + 86400 : $to - $from, '>=', 2, 'not before its time');



=== TEST 2: a delay has many forms, and none is no delay
--- no_worker
--- config
    location /a     { async on; async_delay $http_x_delay; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
my $later = time + 3600;
my @t = gmtime $later;
my $rfc3339 = sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0];
is(submit('/a', headers => ['X-Delay' => $_])->json->{status}, 'scheduled', "'$_' is one") for '10', '90m', '2h', $later, $rfc3339, '365d';
is(submit('/a', headers => ['X-Delay' => $_])->json->{status}, 'queued', "'$_' is none") for '', '0', time - 10, '2020-01-01T00:00:00Z';
is(submit('/a')->json->{status}, 'queued', 'no header is none');



=== TEST 3: what is no delay makes no job
--- no_worker
--- config
    location /a     { async on; async_delay $http_x_delay; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
for my $delay ('soon', '-1', '366d', '2h x', '2126-01-01T00:00:00Z', '10s10') {
    my $answer = request('POST', '/a', headers => ['X-Delay' => $delay], body => 'x');
    is($answer->{status}, 400, "'$delay' is refused");
    is($answer->json->{code}, 'delay-invalid', 'code');
}
is(jobs(), 0, 'there is no job');



=== TEST 4: a delay may be a constant, and off cancels it
--- no_worker
--- config
    async_delay 1h;
    location /a     { async on; proxy_pass http://127.0.0.1:1; }
    location /b     { async on; async_delay off; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
is(submit('/a')->json->{status}, 'scheduled', 'inherited');
is(submit('/b')->json->{status}, 'queued', 'off');



=== TEST 5: a constant delay is checked when nginx starts
--- config
    location /a     { async on; async_delay soon; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid delay "soon": write a time such as 10s or 2h, at most a year, or a variable that holds one



=== TEST 6: a constant delay is at most a year
--- config
    location /a     { async on; async_delay 2y; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid delay "2y"



=== TEST 7: a delay is not empty by configuration
--- config
    location /a     { async on; async_delay ""; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_delay" has an empty value: write "async_delay 10s", or "async_delay off"



=== TEST 8: $async_job_status tells of it
--- no_worker
--- config
    location /a     { async on; async_delay $http_x_delay; add_header X-Status $async_job_status always; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
is(submit('/a', headers => ['X-Delay' => '1h'])->header('X-Status'), 'scheduled', 'scheduled');
is(submit('/a')->header('X-Status'), 'queued', 'queued');
