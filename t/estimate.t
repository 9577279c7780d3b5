# What is learned from jobs that were completed: Retry-After, how far a job
# is, and when it may be done.

use strict;
use warnings;

use AsyncNginx;

plan tests => repeat_each() * blocks();
run_tests();

__DATA__

=== TEST 1: while nothing is learned, nothing is estimated
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $accepted = submit('/a?sleep=1');
my $url = $accepted->json->{statusUrl};
is($accepted->header('Retry-After'), 5, 'Retry-After of the 202');
poll_until(10, sub { get($url)->json->{status} eq 'processing' });
my $answer = get($url);
is($answer->header('Retry-After'), 5, 'Retry-After');
ok(!exists $answer->json->{$_}, "no $_") for qw(percentComplete estimated estimatedCompletionAt);
is(get("$url/result")->header('Retry-After'), 5, 'Retry-After of an unfinished result');
is(wait_job($url)->{status}, 'completed', 'it is completed');



=== TEST 2: after one job the next has an estimate, until it is finished
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?sleep=1')->json->{statusUrl});
my $url = submit('/a?sleep=6')->json->{statusUrl};
my $answer;
ok(poll_until(5, sub { $answer = get($url); exists $answer->json->{percentComplete} }), 'percentComplete');
my $json = $answer->json;
is(ref $json->{estimated}, 'JSON::PP::Boolean', 'estimated is a boolean');
ok($json->{estimated}, 'and true');
cmp_ok($json->{percentComplete}, '<=', 99, 'at most 99');
cmp_ok($json->{estimatedCompletionAt}, 'gt', $json->{startedAt}, 'estimatedCompletionAt');
cmp_ok($answer->header('Retry-After'), '<', 5, 'Retry-After');
cmp_ok(get("$url/result")->header('Retry-After'), '<', 5, 'of an unfinished result, too');
ok(get("$url/result")->json->{estimated}, 'with the same document');
my $done = wait_job($url);
ok(!exists $done->{$_}, "no $_ in the end") for qw(percentComplete estimated estimatedCompletionAt);
is(get($url)->header('Retry-After'), undef, 'no Retry-After');



=== TEST 3: the estimate rises and stays below 100, however long it takes
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?sleep=0.5')->json->{statusUrl});
my $url = submit('/a?sleep=6')->json->{statusUrl};
my (@percent, @until, $json);
poll_until(20, sub {
    $json = get($url)->json;
    push @percent, $json->{percentComplete} if exists $json->{percentComplete};
    push @until, $json->{estimatedCompletionAt} if $json->{estimatedCompletionAt} && $json->{startedAt};
    $json->{status} eq 'completed';
});
is($json->{status}, 'completed', 'it is completed');
is_deeply(\@percent, [sort { $a <=> $b } @percent], 'it never falls');
cmp_ok($percent[-1], '<=', 99, 'never above 99');
cmp_ok($percent[-1], '>', 90, 'near it after many times the median');
cmp_ok($percent[-1], '>', $percent[0], 'it rose');
is_deeply(\@until, [sort @until], 'nor does the time when it may be done');



=== TEST 4: async_estimate off shows none of it
--- config
    location /a     { async on; async_estimate off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?sleep=0.5')->json->{statusUrl});
my $url = submit('/a?sleep=5')->json->{statusUrl};
my $answer;
ok(poll_until(4.5, sub {
    $answer = get($url);
    $answer->json->{status} eq 'processing' && $answer->header('Retry-After') != 5;
}), 'Retry-After is learned all the same');
ok(!exists $answer->json->{$_}, "no $_") for qw(percentComplete estimated estimatedCompletionAt);
is(wait_job($url)->{status}, 'completed', 'it is completed');



=== TEST 5: async_retry_after as a time goes before what is learned
--- config
    location /a     { async on; async_retry_after 7s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a')->json->{statusUrl});
my $url = submit('/a?sleep=5')->json->{statusUrl};
my $answer;
ok(poll_until(4.5, sub { $answer = get($url); $answer->json->{estimated} }), 'an estimate');
is($answer->header('Retry-After'), 7, 'and Retry-After as it is set');
is(submit('/a')->header('Retry-After'), 7, 'of a 202, too');



=== TEST 6: If-None-Match is 304 while what is estimated stays the same
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?sleep=0.3')->json->{statusUrl});
my $url = submit('/a?sleep=9')->json->{statusUrl};
poll_until(5, sub { get($url)->json->{estimated} });
my ($same, $other, %odd) = (0, 0);
my $before = get($url);
poll_until(8, sub {
    my $now = get($url, headers => ['If-None-Match' => $before->header('ETag')]);
    if ($now->{status} == 304) { $same++; return }
    $other++;
    $odd{ETag} = 1 if $now->header('ETag') eq $before->header('ETag');
    $odd{body} = 1 if $now->{body} eq $before->{body};
    $before = $now;
    return $same && $other > 2;
});
cmp_ok($same,  '>', 0, 'some were the same');
cmp_ok($other, '>', 2, 'some were not');
is_deeply(\%odd, {}, 'and had another ETag and another body then');



=== TEST 7: answers with one ETag have the same body
--- config
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?sleep=1')->json->{statusUrl});
my @urls = map { submit("/a?sleep=2&n=$_")->json->{statusUrl} } 1 .. 12;
my (%body, %differs);
poll_until(20, sub {
    my $running = 0;
    for my $url (@urls) {
        my $answer = get($url);
        my $tag = $answer->header('ETag');
        $running++ if !exists $answer->json->{finishedAt};
        $differs{$tag} = 1 if ($body{$url}{$tag} //= $answer->{body}) ne $answer->{body};
    }
    return !$running;
});
is_deeply([keys %differs], [], 'no ETag with two bodies');
cmp_ok(scalar(keys %{ $body{$urls[0]} }), '>', 3, 'and many in the life of a job');



=== TEST 8: locations learn apart, also in one queue
--- config
    location /fast  { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /slow  { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /new   { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job($_) for map { submit($_)->json->{statusUrl} } qw(/fast?sleep=0.1 /slow?sleep=3);
my %url = map { $_ => submit("/$_?sleep=6")->json->{statusUrl} } qw(fast slow new);
my %json;
ok(poll_until(5, sub {
    %json = map { $_ => get($url{$_})->json } keys %url;
    $json{fast}{estimated} && $json{slow}{estimated};
}), 'two are estimated');
cmp_ok($json{fast}{percentComplete}, '>', $json{slow}{percentComplete}, 'the fast one is further');
ok(!exists $json{new}{estimated}, 'of the third nothing is known');
is(get($url{new})->header('Retry-After'), 5, 'not even when to ask again');



=== TEST 9: failures teach nothing
--- config
    location /a     { async on; async_retry off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(wait_job(submit('/a?status=500')->json->{statusUrl})->{status}, 'failed', 'it failed');
my $url = submit('/a?sleep=2')->json->{statusUrl};
my $seen = poll_until(3, sub {
    my $json = get($url)->json;
    return 'estimated' if $json->{estimated};
    return $json->{status} eq 'completed' && 'completed';
});
is($seen, 'completed', 'no estimate until the end');



=== TEST 10: a job that waits for its next attempt is done after that
--- config
    location /a     { async on; async_retry 2 backoff=4s; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?sleep=0.5', method => 'PUT')->json->{statusUrl});
my $url = submit('/a?fail=1', method => 'PUT')->json->{statusUrl};
my $json;
ok(poll_until(3, sub { $json = get($url)->json; $json->{status} eq 'retrying' && $json->{estimatedCompletionAt} }), 'retrying');
cmp_ok($json->{estimatedCompletionAt}, 'gt', $json->{nextAttemptAt}, 'done after the next attempt began');
ok(!exists $json->{percentComplete}, 'no percentage between attempts');
is(wait_job($url)->{status}, 'completed', 'it is completed');



=== TEST 11: async_estimate is inherited
--- config
    async_estimate off;
    location /a     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_estimate on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job($_) for map { submit("/$_?sleep=0.1")->json->{statusUrl} } qw(a b);
my %url = map { $_ => submit("/$_?sleep=5")->json->{statusUrl} } qw(a b);
my %json;
ok(poll_until(4.5, sub {
    %json = map { $_ => get($url{$_})->json } keys %url;
    $json{b}{estimated};
}), 'on where it is on');
ok(!exists $json{a}{estimated}, 'off where it is not');



=== TEST 12: a job that is delayed is done after it was due
--- config
    location /a     { async on; async_delay $arg_delay; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
wait_job(submit('/a?sleep=0.5')->json->{statusUrl});
my $answer;
ok(poll_until(5, sub { $answer = submit('/a?delay=30s'); $answer->json->{estimatedCompletionAt} }), 'an estimate on the 202');
my $json = $answer->json;
is($json->{status}, 'scheduled', 'scheduled');
cmp_ok($answer->header('Retry-After'), '>=', 30, 'Retry-After is not before it is due');
cmp_ok($answer->header('Retry-After'), '<', 60, 'nor long after');
is(get($json->{statusUrl})->json->{estimatedCompletionAt}, $json->{estimatedCompletionAt}, 'and its status says the same');



=== TEST 13: a client of Azure is told the percentage, and that it is believed
--- config
    location /a     { async on; async_dialect azure; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $url = sub { submit($_[0])->header('Operation-Location') =~ s{^http://[^/]+}{}r };
my $first = $url->('/a?sleep=0.5');
poll_until(10, sub { get($first)->json->{status} eq 'Succeeded' });
my $second = $url->('/a?sleep=6');
my $json;
ok(poll_until(5, sub { $json = get($second)->json; $json->{estimated} }), 'estimated');
is($json->{status}, 'Running', 'while it runs');
cmp_ok($json->{percentComplete}, '<=', 99, 'percentComplete');
