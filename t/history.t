# The history of a job: what happened to it, when, and by whom.

use strict;
use warnings;

use AsyncNginx;

plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: a job that completes was queued, processing, completed
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url    = submit('/a?status=201&sleep=0.1')->json->{statusUrl};
my $job    = wait_job($url);
my $answer = get("$url/history");
is($answer->{status}, 200, 'the status');
is($answer->header('Content-Type'), 'application/json', 'Content-Type');
is($answer->header('Cache-Control'), 'no-cache', 'Cache-Control');
is($answer->header('Content-Length'), length $answer->{body}, 'a length');
my $json = $answer->json;
is_deeply([sort keys %$json], [qw(events id)], 'the id, and events');
is($json->{id}, $job->{id}, 'the id');
my @events = @{ $json->{events} };
my $took = delete $events[2]{durationMs};
my $time = delete $events[0]{at};
cmp_ok($time, 'ge', $job->{createdAt}, 'it was stored after it was made');
cmp_ok($time, 'le', $job->{startedAt}, 'and before it was started');
cmp_ok($took, '>=', 100, 'the attempt took its time');
is_deeply(\@events, [
    { seq => 1, event => 'queued', by => 'client' },
    { seq => 2, at => $job->{startedAt}, event => 'processing', by => 'worker', attempt => 1 },
    { seq => 3, at => $job->{finishedAt}, event => 'completed', by => 'worker', attempt => 1, status => 201 },
], 'three events');



=== TEST 2: a job that waits has begun its history
--- no_worker
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $job = submit('/a')->json;
my @events = @{ get("$job->{statusUrl}/history")->json->{events} };
like(delete $events[0]{at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'the time');
is_deeply(\@events, [{ seq => 1, event => 'queued', by => 'client' }], 'one event');



=== TEST 3: every attempt is in it, with what became of it
--- config
    location /a     { async on; async_retry 3 backoff=20ms; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_retry 2 backoff=20ms; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
sub events {
    my ($url) = @_;
    return map { my $e = $_; join ' ', map { "$_=$e->{$_}" } grep { exists $e->{$_} } qw(seq event by attempt status error) }
           @{ get("$url/history")->json->{events} };
}

my $url = submit('/a?fail=2&status=500', method => 'PUT')->json->{statusUrl};
is(wait_job($url)->{status}, 'completed', 'completed in the third attempt');
is_deeply([events($url)], [
    'seq=1 event=queued by=client',
    'seq=2 event=processing by=worker attempt=1',
    'seq=3 event=retrying by=worker attempt=1 status=500 error=backend-status',
    'seq=4 event=queued by=worker',
    'seq=5 event=processing by=worker attempt=2',
    'seq=6 event=retrying by=worker attempt=2 status=500 error=backend-status',
    'seq=7 event=queued by=worker',
    'seq=8 event=processing by=worker attempt=3',
    'seq=9 event=completed by=worker attempt=3 status=200',
], 'nine events');

$url = submit('/b')->json->{statusUrl};
wait_job($url);
is_deeply([(events($url))[2, -1]], [
    'seq=3 event=retrying by=worker attempt=1 error=backend-unreachable',
    'seq=6 event=failed by=worker attempt=2 error=backend-unreachable',
], 'no status where the backend said nothing');
unlike(get("$url/history")->{body}, qr/127\.0\.0\.1/, 'no address of the backend');



=== TEST 4: a job that was not started in time made no attempt
--- config
    location /a     { async on queue=slow; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on queue=slow; async_start_timeout 1s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- http_config
    async_queue slow concurrency=1;
--- check
my $first = submit('/a?sleep=6');
my $url   = submit('/b')->json->{statusUrl};
is(wait_job($url)->{error}{code}, 'start-timeout', 'it was not started');
my $last = get("$url/history")->json->{events}[-1];
delete $last->{at};
is_deeply($last, { seq => 2, event => 'failed', by => 'worker', error => 'start-timeout' }, 'it says so');



=== TEST 5: a long history comes in pieces, and is whole
--- config
    async_status_uri /jobs/;
    location /a     { async on; async_retry 250 backoff=1ms; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
    location /slow/ { async_status; limit_rate 50k; }
--- check
my $url = submit('/a')->json->{statusUrl};
is(wait_job($url, 120)->{attempt}, 250, 'it has made its attempts');
my $answer = get("$url/history");
is($answer->header('Transfer-Encoding'), 'chunked', 'it comes in pieces');
cmp_ok(length $answer->{body}, '>', 3 * 16384, 'of several pieces');
my @events = @{ $answer->json->{events} };
is(scalar @events, 750, 'all events');
is_deeply([map { $_->{seq} } @events], [1 .. 750], 'in their order');
is($events[-1]{event}, 'failed', 'the last of them');

my $head = request('HEAD', "$url/history");
is($head->{status}, 200, 'HEAD: the status');
is($head->header('Content-Type'), 'application/json', 'HEAD: Content-Type');

my $slow = get(($url =~ s{/jobs/}{/slow/}r) . '/history');
is($slow->{body}, $answer->{body}, 'a client that takes it slowly gets the same');



=== TEST 6: HEAD, OPTIONS, and what is not allowed
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url  = submit('/a')->json->{statusUrl};
wait_job($url);
my $get  = get("$url/history");
my $head = request('HEAD', "$url/history");
is($head->{status}, 200, 'HEAD: the status');
is($head->header('Content-Length'), $get->header('Content-Length'), 'HEAD: the length');
my $options = request('OPTIONS', "$url/history");
is($options->{status}, 204, 'OPTIONS: the status');
is($options->header('Allow'), 'GET, HEAD, OPTIONS', 'OPTIONS: Allow');
for my $method (qw(POST PUT PATCH DELETE)) {
    my $answer = request($method, "$url/history");
    is($answer->{status}, 405, "$method: the status");
    is($answer->header('Allow'), 'GET, HEAD, OPTIONS', "$method: Allow");
    is($answer->json->{code}, 'method-not-allowed', "$method: the code");
}



=== TEST 7: a job that there is not has no history
--- config
    location /jobs/ { async_status; }
--- check
for my $path (qw(0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11/history x/history history
                 0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11/history/ 0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11/histories)) {
    my $answer = get("/jobs/$path");
    is($answer->{status}, 404, "$path: the status");
    is($answer->json->{code}, 'job-not-found', "$path: the code");
}



=== TEST 8: a history outlives the result
--- config
    location /a     { async on; async_retention 0s failed=0s history=1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = submit('/a')->json->{statusUrl};
wait_job($url);
ok(poll_until(10, sub { get("$url/result")->{status} == 410 }), 'the result is gone');
is_deeply([map { $_->{event} } @{ get("$url/history")->json->{events} }], [qw(queued processing completed)], 'the history is there');
