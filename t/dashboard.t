# The dashboard's location: what lies there, with which headers, for whom, and
# who may act.  What people see of it is tested in t/browser.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: the page and its files, and a policy that lets nothing else run
--- config
    location /board/ { async_dashboard; }
--- check
my %types = ('' => 'text/html; charset=utf-8', 'dashboard.js' => 'text/javascript; charset=utf-8',
             'dashboard.css' => 'text/css; charset=utf-8', 'icon.svg' => 'image/svg+xml');
for my $name (sort keys %types) {
    my $answer = get("/board/$name");
    is($answer->{status}, 200, "'$name': 200");
    is($answer->header('Content-Type'), $types{$name}, "'$name': its type");
    is($answer->header('Cache-Control'), 'no-cache', "'$name': asked for again");
    ok(length $answer->{body} > 100, "'$name': a body");
    like($answer->header('ETag'), qr/^"[0-9a-f-]+"$/, "'$name': an ETag");
    is(request('GET', "/board/$name", headers => ['If-None-Match', $answer->header('ETag')])->{status}, 304, "'$name': 304");
    is(request('HEAD', "/board/$name")->{body}, '', "'$name': HEAD");
}
for my $name (keys %types, 'data/overview', 'data/jobs', 'data/job', 'none', 'act/cancel') {
    my $answer = get("/board/$name");
    my $policy = $answer->header('Content-Security-Policy');
    like($policy, qr/^default-src 'none'; script-src 'self'; /, "'$name': only ours runs");
    like($policy, qr/frame-ancestors 'none'/, "'$name': in no frame");
    unlike($policy, qr/unsafe|\*|https?:/, "'$name': no exception");
    is($answer->header('X-Content-Type-Options'), 'nosniff', "'$name': nosniff");
    is($answer->header('X-Frame-Options'), 'DENY', "'$name': old browsers too");
    is($answer->header('Referrer-Policy'), 'no-referrer', "'$name': no referrer");
}
my $page = get('/board/')->{body};
unlike($page, qr/<script(?! src="dashboard\.js" defer><)|<style| style=| on\w+=|https?:|\/\//i, 'nothing inline, nothing from outside');
my $slash = get('/board');
is($slash->{status}, 301, 'without the slash: sent there');
like($slash->header('Location'), qr{/board/$}, 'Location');



=== TEST 2: what is not there, and what is not done that way
--- config
    location /board/ { async_dashboard actions; }
--- check
is(get("/board/$_")->{status}, 404, "$_: 404") for qw(x index.html data data/ data/job/x act act/ act/x live/ DASHBOARD.JS);
for my $method (qw(POST PUT DELETE PATCH)) {
    for my $path ('', 'dashboard.js', 'data/overview', 'data/jobs', 'live') {
        my $answer = request($method, "/board/$path", body => 'x');
        is($answer->{status}, 405, "$method '$path': 405");
        is($answer->header('Allow'), 'GET, HEAD, OPTIONS', "$method '$path': Allow");
    }
}
my $get = get('/board/act/cancel');
is($get->{status}, 405, 'an action is no GET');
is($get->header('Allow'), 'POST, OPTIONS', 'Allow');
my $options = request('OPTIONS', '/board/act/cancel', headers => ['Origin', 'http://other.test', 'Access-Control-Request-Method', 'POST', 'Access-Control-Request-Headers', 'async-dashboard']);
is($options->{status}, 204, 'OPTIONS');
unlike($options->{head}, qr/^Access-Control/mi, 'grants nothing to another origin');
is(get('/board/data/job?id=0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11')->json->{code}, 'job-not-found', 'no such job');
is(get("/board/data/jobs?$_")->json->{code}, 'query-invalid', "$_: query-invalid") for qw(status=x since=x until=1 cursor=x);
is(get("/board/data/charts?window=7")->json->{code}, 'query-invalid', 'no such window');



=== TEST 3: lists by status, queue, owner and time, a page at a time
--- no_worker
--- http_config
    async_queue slow paused;
--- config
    async_status_uri /jobs/;
    location /a      { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /slow   { async on queue=slow; async_delay $arg_delay; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /mine   { async on; async_owner $arg_who; async_status_uri /my/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
    location /my/    { async_status; async_owner $http_x_who; }
    location /board/ { async_dashboard; }
--- check
my @ids = map { submit("/a?n=$_")->json->{id} } 1 .. 55;
# ids of one millisecond have no order
my ($slow, $late, $mine) = map { select undef, undef, undef, 0.002; submit($_)->json->{id} }
    '/slow?<b>', '/slow?delay=1h', '/mine?who=tom%20%26%20co';
my $list = sub {
    my ($args, @headers) = @_;
    my $json = request('GET', "/board/data/jobs?$args", headers => [@headers])->json;
    return ([map { $_->{job}{id} } @{ $json->{jobs} }], $json);
};
my ($all, $json) = $list->('');
is_deeply([@$all[0 .. 2]], [$mine, $late, $slow], 'newest first');
is(scalar @$all, 50, 'fifty of them');
my ($next, $end) = $list->("cursor=$json->{nextCursor}");
is_deeply([sort @$all, @$next], [sort @ids, $slow, $late, $mine], 'and the others');
ok(!exists $end->{nextCursor}, 'and no more');
is_deeply(($list->('queue=slow'))[0], [$late, $slow], 'by queue');
is_deeply(($list->('status=scheduled'))[0], [$late], 'by status');
is_deeply(($list->('status=queued&queue=slow'))[0], [$slow], 'by both');
is_deeply(($list->('', 'Async-Dashboard-Owner', 'tom%2520%2526%2520co'))[0], [$mine], 'by owner');
is_deeply(($list->('', 'Async-Dashboard-Owner', 'tom'))[0], [], 'by another');
is_deeply(($list->('until=2020-01-01T00:00:00Z'))[0], [], 'by time');
is(scalar @{ ($list->('since=2020-01-01T00:00:00Z'))[0] }, 50, 'by another');
is($json->{jobs}[2]{uri}, '/slow?<b>', 'as it was asked for');
is($json->{jobs}[2]{method}, 'POST', 'the method');
ok($json->{jobs}[0]{owned}, 'it has an owner');
my ($queue) = grep { $_->{name} eq 'slow' } @{ get('/board/data/overview')->json->{queues} };
is_deeply($queue, { name => 'slow', queued => 2, processing => 0, concurrency => 8, maxQueued => 100000, ended => 0, oldestMs => $queue->{oldestMs}, paused => JSON::PP::true }, 'a queue');
cmp_ok($queue->{oldestMs}, '>', 0, 'its oldest');
my $one = get("/board/data/job?id=$mine")->json;
is($one->{job}{id}, $mine, 'one job, whosever it is');
is($one->{events}[0]{event}, 'queued', 'with its history');



=== TEST 4: only its own page acts, and only where it may
--- no_worker
--- config
    location /a      { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
    location /board/ { async_dashboard; }
    location /desk/  { async_dashboard actions; }
--- check
my $url = submit('/a')->json->{statusUrl};
my ($id) = $url =~ m{([^/]+)$};
my @own = ('Async-Dashboard', 1);
my $host = '127.0.0.1:' . $t->port;
my %refused = (
    'without the header'     => [],
    'with another value'     => ['Async-Dashboard', 0],
    'from another site'      => [@own, 'Sec-Fetch-Site', 'cross-site'],
    'from the same site'     => [@own, 'Sec-Fetch-Site', 'same-site'],
    'from an address bar'    => [@own, 'Sec-Fetch-Site', 'none'],
    'from another origin'    => [@own, 'Origin', 'http://other.test'],
    'from another port'      => [@own, 'Origin', 'http://127.0.0.1:1'],
    'from a longer name'     => [@own, 'Origin', "http://$host.other.test"],
    'from nobody'            => [@own, 'Origin', 'null'],
    'from an empty origin'   => [@own, 'Origin', ''],
    'another and same-origin, which no browser says' => [@own, 'Sec-Fetch-Site', 'cross-site', 'Origin', "http://$host"],
);
for my $how (sort keys %refused) {
    is(request('POST', "/desk/act/cancel?id=$id", headers => $refused{$how})->{status}, 403, "$how: 403");
}
is(request('POST', "/board/act/cancel?id=$id", headers => [@own])->{status}, 403, 'where it only shows: 403');
is(request('POST', "/board/act/$_?name=default", headers => [@own])->{status}, 403, "$_: 403") for qw(pause resume purge);
is(get($url)->json->{status}, 'queued', 'nothing was done');
is(request('POST', "/desk/act/cancel?id=$id", headers => [@own, 'Origin', "http://$host", 'Sec-Fetch-Site', 'same-origin', 'Authorization', 'Basic dG9tOng='], body => 'x' x 100)->{status}, 200, 'its own page: 200');
is(get($url)->json->{status}, 'canceled', 'it was done');
is(get("$url/history")->json->{events}[-1]{by}, 'dashboard:tom', 'by whom');
is(request('POST', "/desk/act/cancel?id=$id", headers => [@own])->{status}, 200, 'canceled again');
is(request('POST', "/desk/act/retry?id=$id", headers => [@own])->json->{code}, 'job-finished', 'what has not failed is not retried');
is(request('POST', "/desk/act/$_?id=x", headers => [@own])->json->{code}, 'job-not-found', "$_ of no job") for qw(cancel retry delete);
my $told = sub {
    my ($answer, $status, $detail, $name) = @_;
    is($answer->{status}, $status, "$name: $status");
    is($answer->header('Content-Type'), 'application/problem+json', "$name: a problem");
    is($answer->header('Cache-Control'), 'no-store', "$name: Cache-Control");
    is($answer->json->{status}, $status, "$name: its status");
    like($answer->json->{detail}, $detail, "$name: its detail");
};
$told->(request('POST', "/desk/act/$_?name=x", headers => [@own]), 404, qr/^There is nothing of that name\.$/, "$_ of none") for qw(pause resume purge schedule-run schedule-pause schedule-resume);
$told->(request('POST', "/desk/act/$_?id=x", headers => [@own]), 404, qr/no such job/, "$_ of none") for qw(cancel retry delete redeliver);
$told->(request('POST', "/desk/act/pause?name=default"), 403, qr/own page/, 'from elsewhere');
$told->(request('POST', "/board/act/pause?name=default", headers => [@own]), 403, qr/async_dashboard actions/, 'where it only shows');
$told->(get('/desk/x'), 404, qr/nothing here/, 'what is not there');
is(request('POST', "/desk/act/delete?id=$id", headers => [@own, 'Origin', "https://$host"])->{status}, 200, 'behind a proxy with TLS');
is(get($url)->{status}, 404, 'deleted');



=== TEST 5: it needs what any location of nginx needs
--- config
    location /a      { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
    location /board/ { async_dashboard actions; deny all; }
--- check
is(get("/board/$_")->{status}, 403, "'$_': 403") for '', 'dashboard.js', 'data/overview', 'data/jobs', 'live';
is(request('POST', '/board/act/pause?name=default', headers => ['Async-Dashboard', 1])->{status}, 403, 'an action: 403');



=== TEST 6: it needs a location that is a prefix
--- config
    location = /board/ { async_dashboard; }
--- refused: "async_dashboard" needs a location that is a prefix and ends in "/", such as "location /dashboard/", not "/board/"



=== TEST 7: it takes one word
--- config
    location /board/ { async_dashboard all; }
--- refused: invalid parameter "all" in "async_dashboard": write "async_dashboard;", which only shows, or "async_dashboard actions;"



=== TEST 8: it needs a store
--- store: off
--- config
    location /board/ { async_dashboard; }
--- refused: asynchronous locations need a store



=== TEST 9: it is no place for jobs
--- config
    location /board/ { async_dashboard; async_status; }
--- refused: "async_status" directive stands beside another directive that answers requests



=== TEST 10: its own requests are no jobs
--- config
    async on;
    location /jobs/  { async_status; }
    location /board/ { async_dashboard actions; }
--- check
my $act = sub { request('POST', '/board/act/pause?name=default', headers => ['Async-Dashboard', 1])->{status} == 200 };
ok(poll_until(10, $act), 'an action is done, as soon as there is a store');
is_deeply(get('/board/data/jobs')->json->{jobs}, [], 'and is no job');



=== TEST 11: charts count what has ended, also what is gone by now
--- config
    location /a      { async on; async_retry off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
    location /board/ { async_dashboard actions; }
--- check
my @jobs = map { wait_job(submit("/a?status=$_"))->{id} } 200, 200, 200, 404;
is(request('POST', "/board/act/delete?id=$jobs[0]", headers => ['Async-Dashboard', 1])->{status}, 200, 'one is deleted');
for my $window (900, 3600, 86400) {
    my $json = get("/board/data/charts?window=$window")->json;
    my @sums;
    for my $bucket (@{ $json->{buckets} }) { $sums[$_] += $bucket->[$_] for 0 .. 3 }
    is(scalar @{ $json->{buckets} }, 60, "$window: sixty parts");
    is($json->{width}, $window * 1000 / 60, "$window: their width");
    is($sums[2], 1, "$window: failed");
    cmp_ok($sums[1], '>=', 2, "$window: completed");
    is($json->{sampled}, JSON::PP::false, "$window: no samples");
    is(scalar(grep { defined $_->[4] && defined $_->[7] } @{ $json->{buckets} }) > 0, 1, "$window: times");
    is($sums[1], 3, "$window: with the one that is gone") if $window == 3600;
}
