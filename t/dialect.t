# Dialects: how a job is told to clients that were made for another server.

use strict;
use warnings;

use AsyncNginx;

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: azure: the 202 says where the operation and where its result is
--- no_worker
--- config
    location /a     { async on; async_dialect azure; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /r     { async on; async_dialect azure; absolute_redirect off; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /u     { async on; async_dialect azure; async_status_uri https://api.test/v1/jobs/; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $here   = 'http://127.0.0.1:' . $t->port;
my $answer = submit('/a');
my $id     = $answer->json->{id};
is($answer->header('Operation-Location'), "$here/jobs/$id", 'Operation-Location');
is_deeply([$answer->headers('Location')], ["$here/jobs/$id/result"], 'Location');
is($answer->header('Retry-After'), 5, 'Retry-After');
is($answer->header('Cache-Control'), 'no-store', 'Cache-Control');
is($answer->json->{status}, 'NotStarted', 'the document is azure, too');

$answer = submit('/r');
$id     = $answer->json->{id};
is($answer->header('Operation-Location'), "$here/jobs/$id", 'absolute_redirect off: Operation-Location is absolute');
is($answer->header('Location'), "$here/jobs/$id/result", 'absolute_redirect off: so is Location');

$answer = submit('/u');
$id     = $answer->json->{id};
is($answer->header('Operation-Location'), "https://api.test/v1/jobs/$id", 'elsewhere: Operation-Location');
is($answer->header('Location'), "https://api.test/v1/jobs/$id/result", 'elsewhere: Location');



=== TEST 2: azure: the operation from its start to its end
--- config
    location /a     { async on; async_dialect azure; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = submit('/a?sleep=2&status=201');
my ($path) = $answer->header('Operation-Location') =~ m{(/jobs/.*)};
my $time   = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
ok(poll_until(10, sub { $answer = get($path); $answer->json->{status} eq 'Running' }), 'it is running');
is($answer->{status}, 200, 'Running: the status');
is($answer->header('Content-Type'), 'application/json', 'Running: Content-Type');
is($answer->header('Retry-After'), 5, 'Running: Retry-After');
is($answer->header('Cache-Control'), 'no-cache', 'Running: Cache-Control');
ok($answer->header('ETag'), 'Running: ETag');
my $json = $answer->json;
is_deeply([sort keys %$json], [sort qw(id status createdDateTime lastActionDateTime)], 'Running: its members');
like($json->{$_}, $time, "Running: $_") for qw(createdDateTime lastActionDateTime);

ok(poll_until(30, sub { $answer = get($path); $answer->json->{status} eq 'Succeeded' }), 'it has succeeded');
is($answer->{status}, 200, 'Succeeded: the status');
is($answer->header('Retry-After'), undef, 'Succeeded: no Retry-After');
is($answer->header('Async-Result'), undef, 'Succeeded: no Async-Result');
my $done = $answer->json;
is_deeply([sort keys %$done], [sort qw(id status createdDateTime lastActionDateTime resourceLocation)], 'Succeeded: its members');
is($done->{resourceLocation}, 'http://127.0.0.1:' . $t->port . "$path/result", 'Succeeded: resourceLocation');
cmp_ok($done->{lastActionDateTime}, 'gt', $json->{lastActionDateTime}, 'Succeeded: a later action');
is(get("$path/result")->{status}, 201, 'the result');
is(request('GET', $path, headers => ['If-None-Match' => $answer->header('ETag')])->{status}, 304, 'its ETag');



=== TEST 3: azure: a failed operation says why
--- config
    location /a     { async on; async_dialect azure; async_retry 2 backoff=1h; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /b     { async on; async_dialect azure; async_retry off; proxy_pass http://127.0.0.1:1; }
    location /jobs/ { async_status; }
--- check
sub operation { my ($uri, %a) = @_; my ($path) = submit($uri, %a)->header('Operation-Location') =~ m{(/jobs/.*)}; return $path }
my $path = operation('/a?status=404');
my $json;
ok(poll_until(20, sub { $json = get($path)->json; $json->{status} eq 'Failed' }), 'the backend refused');
is_deeply([sort keys %{ $json->{error} }], [qw(code message)], 'an error');
is($json->{error}{code}, 'backend-status', 'its code');
like($json->{error}{message}, qr/404/, 'its message');
ok(!exists $json->{resourceLocation}, 'no resourceLocation');
is(get("$path/result")->{status}, 404, 'the result');

$path = operation('/b');
ok(poll_until(20, sub { $json = get($path)->json; $json->{status} eq 'Failed' }), 'there is no backend');
is($json->{error}{code}, 'backend-unreachable', 'its code');
unlike($json->{error}{message}, qr/127\.0\.0\.1/, 'no address');

$path = operation('/a?fail=1', method => 'PUT');
ok(poll_until(20, sub { grep { $_->{event} eq 'retrying' } @{ get("$path/history")->json->{events} } }), 'one that is tried again');
$json = get($path)->json;
is($json->{status}, 'Running', 'is running');
ok(!exists $json->{error}, 'without an error');



=== TEST 4: azure: a canceled operation
--- no_worker
--- config
    location /a     { async on; async_dialect azure; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my ($path) = submit('/a')->header('Operation-Location') =~ m{(/jobs/.*)};
my $answer = request('DELETE', $path);
is($answer->{status}, 200, 'DELETE');
is($answer->json->{status}, 'Canceled', 'the document');
is(get($path)->json->{status}, 'Canceled', 'it stays so');



=== TEST 5: a job keeps the dialect it was accepted with, wherever it is asked for
--- config
    async_status_uri /jobs/;
    location /n     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /a     { async on; async_dialect azure; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /o     { async prefer; async_dialect odata; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
    location /azure/ { async_status; async_dialect azure; }
--- check
my @ask = (headers => [Prefer => 'respond-async']);
my %id  = map { $_ => submit("/$_", @ask)->json->{id} } qw(n a o);
ok(poll_until(20, sub { get("/jobs/$id{o}")->header('AsyncResult') }), 'odata');
wait_job("/jobs/$id{n}");
for my $prefix (qw(jobs azure)) {
    is(get("/$prefix/$id{n}")->json->{status}, 'completed', "/$prefix/: native");
    ok(poll_until(20, sub { get("/$prefix/$id{a}")->json->{status} eq 'Succeeded' }), "/$prefix/: azure");
    is(get("/$prefix/$id{o}")->header('AsyncResult'), 200, "/$prefix/: odata");
}



=== TEST 6: below a job all dialects are the same
--- config
    location /n     { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /a     { async on; async_dialect azure; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /o     { async prefer; async_dialect odata; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
for my $dialect (qw(n a o)) {
    my $path = '/jobs/' . submit("/$dialect?status=201&sleep=1&header=X-A:b", headers => [Prefer => 'respond-async'])->json->{id};
    my $early = get("$path/result");
    is($early->{status}, 202, "$dialect: no result yet");
    like($early->json->{status}, qr/^(?:queued|processing)$/, "$dialect: the document");
    is($early->json->{statusUrl}, $path, "$dialect: of the native kind");
    ok($early->header('Retry-After'), "$dialect: Retry-After");
    my $result;
    ok(poll_until(20, sub { $result = get("$path/result"); $result->header('Async-Result') }), "$dialect: the result");
    is($result->{status}, 201, "$dialect: its status");
    is($result->header('Async-Result'), 201, "$dialect: Async-Result");
    is($result->header('AsyncResult'), undef, "$dialect: no AsyncResult");
    is($result->header('X-A'), 'b', "$dialect: its headers");
    ok($result->header('ETag'), "$dialect: ETag");
    is(scalar @{ get("$path/history")->json->{events} }, 3, "$dialect: the history");
}



=== TEST 7: errors are in the dialect of the location that answers
--- no_worker
--- http_config
    async_queue small max_queued=1;
--- config
    async_status_uri /jobs/;
    location /a     { async on queue=small; async_dialect azure; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /o     { async prefer queue=small; async_dialect odata; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /n     { async on queue=small; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/  { async_status; }
    location /azure/ { async_status; async_dialect azure; }
    location /odata/ { async_status; async_dialect odata; }
--- check
my $id = submit('/a')->json->{id};
my @ask = (headers => [Prefer => 'respond-async']);
my %form = (
    native => { type => 'application/problem+json', keys => [qw(code detail status title)], code => sub { $_[0]{code} } },
    other  => { type => 'application/json', keys => [qw(error)], code => sub { $_[0]{error}{code} } },
);
my @cases = (
    ['/n', 'POST', 503, 'queue-full', 'native'],
    ['/a', 'POST', 503, 'queue-full', 'other'],
    ['/o', 'POST', 503, 'queue-full', 'other'],
    ['/jobs/x',  'GET', 404, 'job-not-found', 'native'],
    ['/azure/x', 'GET', 404, 'job-not-found', 'other'],
    ['/odata/x', 'GET', 404, 'job-not-found', 'other'],
    ["/jobs/$id",  'PUT', 405, 'method-not-allowed', 'native'],
    ["/azure/$id", 'PUT', 405, 'method-not-allowed', 'other'],
    ["/odata/$id/history", 'PUT', 405, 'method-not-allowed', 'other'],
);
for my $case (@cases) {
    my ($uri, $method, $status, $code, $form) = @$case;
    my $answer = request($method, $uri, @ask);
    my $json   = $answer->json;
    is($answer->{status}, $status, "$method $uri: the status");
    is($answer->header('Content-Type'), $form{$form}{type}, "$method $uri: Content-Type");
    is($answer->header('Cache-Control'), 'no-store', "$method $uri: Cache-Control");
    is_deeply([sort keys %$json], $form{$form}{keys}, "$method $uri: the members");
    is($form{$form}{code}->($json), $code, "$method $uri: the code");
    is_deeply([sort keys %{ $json->{error} }], [qw(code message)], "$method $uri: of the error") if $form eq 'other';
}



=== TEST 8: a dialect is one of three
--- config
    location /a     { async on; async_dialect sap; return 200; }
    location /jobs/ { async_status; }
--- refused: invalid dialect "sap": write "async_dialect native", "async_dialect azure" or "async_dialect odata"



=== TEST 9: odata goes with prefer only
--- config
    location /a     { async on; async_dialect odata; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_dialect odata" in location "/a" cannot go with "async on", since OData answers 202 only to a client that asks for it: write "async prefer"



=== TEST 10: odata that was inherited is looked at, too
--- config
    async_dialect odata;
    location /p     { async prefer; return 200; }
    location /off   { return 200; }
    location /a     { async on; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_dialect odata" in location "/a" cannot go with "async on"



=== TEST 11: async_dialect is given once in a location
--- config
    location /a     { async on; async_dialect azure; async_dialect native; return 200; }
    location /jobs/ { async_status; }
--- refused: "async_dialect" directive is duplicate



=== TEST 12: a location may take back what it has inherited
--- no_worker
--- config
    async_dialect odata;
    location /a     { async on; async_dialect native; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
is(submit('/a')->json->{status}, 'queued', 'native');



=== TEST 13: AsyncResult of a monitor is ours, whatever the backend sends
--- config
    location /o     { async prefer; async_dialect odata; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/ { async_status; }
--- check
my $answer = request('POST', '/o?header=AsyncResult:999', body => '', headers => [Prefer => 'respond-async']);
is($answer->{status}, 202, 'accepted');
my ($url) = $answer->header('Location') =~ m{(/jobs/.*)};
ok(poll_until(20, sub { get($url)->{status} == 200 }), 'it ends');
is_deeply([get($url)->headers('AsyncResult')], [200], 'the monitor has one line');
my $whole = get($url, headers => [Accept => 'application/http']);
is_deeply([$whole->headers('AsyncResult')], [200], 'so it has with a whole message');
like($whole->{body}, qr/^AsyncResult: 999\r$/m, 'which has what the backend sent');
is_deeply([get("$url/result")->headers('AsyncResult')], [999], 'and so has the result');
