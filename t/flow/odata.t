#!/usr/bin/env perl

# The odata dialect: the status monitor of OData 4.01, section 11.6.  A client
# of ours, and one of Azure's, which polls a Location like that as well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


sub servers {
    return <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;

        async_dialect odata;
        async_retry_after 1s;

        location /service {
            async prefer;
            async_delay $arg_delay;
            proxy_pass http://%%BACKEND%%;
        }

        location /down {
            async prefer;
            async_retry off;
            proxy_pass http://127.0.0.1:1;
        }

        location /again {
            async prefer;
            async_retry 5 backoff=1h;
            proxy_pass http://%%BACKEND%%;
        }

        location /brief {
            async prefer;
            async_retention 0s failed=0s history=1h;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END
}


my $t = AsyncTest->new(http => servers());

sub accepted {
    my ($target, %args) = @_;
    my $answer = $t->request($args{method} || 'POST', $target, %args,
                             headers => [Prefer => 'respond-async']);
    is($answer->{status}, 202, "$target: 202");
    return $t->job_path($answer);
}

# the monitor, when it says that its job has ended
sub ended {
    my ($path, @headers) = @_;
    my $answer;
    ok(poll_until(60, sub {
        $answer = $t->request('GET', $path, headers => [@headers]);
        $answer->{status} != 202;
    }), 'it ends') or diag($answer->{head});
    return $answer;
}

sub events {
    my ($path) = @_;
    return map { $_->{event} } @{ $t->get("$path/history")->json->{events} };
}

sub pairs {
    my ($message) = @_;
    my ($head, $body) = split /(?<=\r\n\r\n)/, $message, 2;
    my $answer = AsyncTest::Answer->new($head, $body // '');
    return $answer;
}

$t->start;


# --- who does not ask ------------------------------------------------------

my $sync = $t->request('POST', '/service?status=201');
is($sync->{status}, 201, 'unasked: the answer itself');
is($sync->header('Vary'), 'Prefer', 'unasked: Vary');


# --- until it has ended ----------------------------------------------------

my $first = $t->request('POST', '/service?sleep=2&status=201&header=X-A:b',
                        headers => [Prefer => 'respond-async']);
my $path  = $t->job_path($first);

is($first->{status}, 202, 'asked: 202');
is($first->header('Preference-Applied'), 'respond-async',
   'asked: Preference-Applied');
is($first->header('Operation-Location'), undef, 'asked: no other header');
is($first->header('Retry-After'), 1, 'asked: Retry-After');

my $early = $t->get($path);
is($early->{status}, 202, 'unfinished: 202');
is($early->header('Location'), $first->header('Location'),
   'unfinished: Location again');
is($early->header('Retry-After'), 1, 'unfinished: Retry-After');
is($early->header('Cache-Control'), 'no-cache', 'unfinished: Cache-Control');
is($early->header('AsyncResult'), undef, 'unfinished: no AsyncResult');

ok(poll_until(20, sub { (events($path))[-1] eq 'processing' }), 'it runs');
my $denied = $t->request('DELETE', $path);
is($denied->{status}, 405, 'DELETE of what runs: 405');
is($denied->header('Allow'), 'GET, HEAD, OPTIONS', 'with Allow');
is(($t->request('OPTIONS', $path))->{status}, 204, 'OPTIONS: 204');


# --- the response itself ---------------------------------------------------

my $answer = ended($path);
is($answer->{status}, 200, 'completed: 200');
is($answer->header('AsyncResult'), 201, 'completed: AsyncResult');
is($answer->header('Async-Result'), undef, 'completed: no Async-Result');
is($answer->header('X-A'), 'b', 'completed: its headers');
is($answer->header('Content-Type'), 'application/json',
   'completed: its type');
is($answer->json->{target}, '/service?sleep=2&status=201&header=X-A:b',
   'completed: its body');
is($answer->header('Retry-After'), undef, 'completed: no Retry-After');
is($answer->header('Location'), undef, 'completed: no Location of ours');
is($answer->header('Vary'), 'Accept, OData-MaxVersion', 'completed: Vary');
is($answer->header('Cache-Control'), 'no-cache', 'completed: Cache-Control');

my $head = $t->request('HEAD', $path);
is($head->{status}, 200, 'HEAD: 200');
is($head->header('AsyncResult'), 201, 'HEAD: AsyncResult');
is($head->header('Content-Length'), length $answer->{body},
   'HEAD: the length');

my $tagged = accepted('/service?header=ETag:%22x%22&header=Set-Cookie:a=b'
                      . '&header=Cache-Control:max-age=9');
ended($tagged);
$answer = $t->request('GET', $tagged, headers => [
    'If-None-Match' => '"x"', 'Range' => 'bytes=0-3',
]);
is($answer->{status}, 200, 'a condition or a range is not of the response');
is($answer->header('ETag'), '"x"', 'its ETag is');
is_deeply([$answer->headers('Cache-Control')], ['max-age=9'],
          'and so is its Cache-Control');
$answer = $t->request('GET', $tagged, headers => [Accept => 'application/http']);
is_deeply([$answer->headers('Cache-Control')], ['no-cache'],
          'but not that of a message with it');
is($answer->header('Set-Cookie'), undef, 'no session for who knows a URL');

my $empty = accepted('/service?status=204', method => 'DELETE');
$answer = ended($empty);
is($answer->{status}, 200, 'a response without a body: 200');
is($answer->header('AsyncResult'), 204, 'AsyncResult');
is($answer->header('Content-Length'), 0, 'and an empty body');

my $refused = accepted('/service?status=404');
$answer = ended($refused);
is($answer->{status}, 200, 'failed: 200');
is($answer->header('AsyncResult'), 404, 'failed: AsyncResult');
is($answer->json->{method}, 'POST', 'failed: what the backend said');


# --- the whole message -----------------------------------------------------

my @whole = (
    [Accept => 'application/http'],
    [Accept => 'text/html, Application/HTTP;msgtype=response ,*/*;q=0.1'],
    [Accept => 'text/html', Accept => 'application/http'],
    ['OData-MaxVersion' => '4.0'],
    [Accept => 'application/http', 'OData-MaxVersion' => '4.01'],
    [Accept => 'a/b;c="d,application/http;q=0",application/http; q=0.001'],
    [Accept => 'application/http;q=0', Accept => 'application/http;q=1'],
);

for my $headers (@whole) {
    my $name = "@$headers";
    $answer = ended($path, @$headers);
    is($answer->{status}, 200, "$name: 200");
    is($answer->header('Content-Type'), 'application/http', "$name: type");
    is($answer->header('AsyncResult'), 201, "$name: AsyncResult");
    is($answer->header('X-A'), undef, "$name: no header of the response");

    my $inner = pairs($answer->{body});
    is("$inner->{version} $inner->{status} $inner->{reason}",
       'HTTP/1.1 201 Created', "$name: the status line");
    is($inner->header('X-A'), 'b', "$name: the headers");
    is($inner->header('Content-Type'), 'application/json', "$name: type");
    is($inner->header('Content-Length'), length $inner->{body},
       "$name: the length");
    is($inner->json->{method}, 'POST', "$name: the body");
}

for my $headers ([Accept => '*/*'], [Accept => 'application/json'],
                 [Accept => 'application/https'],
                 [Accept => 'application/http;q=0'],
                 [Accept => 'application/http;msgtype=response ; Q=0.00, */*'],
                 [Accept => 'text/x;a="b,application/http", */*'],
                 [Accept => 'application/http;q=0', 'OData-MaxVersion' => '4.0'],
                 [Accept => 'text/html', 'OData-MaxVersion' => '4.0'],
                 ['OData-MaxVersion' => '4.01'])
{
    $answer = ended($path, @$headers);
    is($answer->header('Content-Type'), 'application/json',
       "@$headers: the response itself");
}

$answer = ended($empty, Accept => 'application/http');
like($answer->{body}, qr{^HTTP/1\.1 204 No Content\r\n(?:[^\r]+\r\n)*\r\n$},
     'a response without a body is one as a message');
unlike($answer->{body}, qr/^Content-Length/mi, 'a 204 without a length');

my $same = accepted('/service?status=304');
$answer = ended($same, Accept => 'application/http');
like($answer->{body}, qr{^HTTP/1\.1 304 Not Modified\r\n},
     'a 304 as a message');
unlike($answer->{body}, qr/^Content-Length/mi, 'without a length, too');

$answer = ended($tagged, Accept => 'application/http');
unlike($answer->{body}, qr/^Set-Cookie/mi, 'nor has that a session');
$head = $t->request('HEAD', $path, headers => [Accept => 'application/http']);
is($head->{status}, 200, 'HEAD of a message');


# --- when there is no response ---------------------------------------------

my $down = accepted('/down');
$answer = ended($down);
is($answer->{status}, 200, 'unreachable: 200');
is($answer->header('AsyncResult'), 500, 'unreachable: AsyncResult');
is($answer->header('Content-Type'), 'application/json',
   'unreachable: Content-Type');
is_deeply([sort keys %{ $answer->json->{error} }], [qw(code message)],
          'unreachable: an error');
is($answer->json->{error}{code}, 'backend-unreachable',
   'unreachable: its code');

my $inner = pairs(ended($down, Accept => 'application/http')->{body});
is($inner->{status}, 500, 'unreachable: the same as a message');
is($inner->json->{error}{code}, 'backend-unreachable', 'with the code');
is($inner->header('Content-Length'), length $inner->{body},
   'and the length');

my $brief = accepted('/brief');
$answer = ended($brief);
is($answer->{status}, 410, 'past its retention: 410');
is($answer->json->{error}{code}, 'result-gone', 'an error');


# --- DELETE ----------------------------------------------------------------

my $waits = accepted('/service?delay=1h');
$answer = $t->request('DELETE', $waits);
is($answer->{status}, 204, 'DELETE before the start: 204');
is($answer->{body}, '', 'no body');
is((events($waits))[-1], 'canceled', 'it is canceled');
$answer = $t->get($waits);
is($answer->{status}, 404, 'and then it is not there');
is($t->request('DELETE', $waits)->{status}, 404, 'for DELETE neither');

my $again = accepted('/again?status=503', method => 'PUT');
ok(poll_until(20, sub { (events($again))[-1] eq 'retrying' }),
   'one that waits for its next attempt');
is($t->get($again)->{status}, 202, 'is unfinished');
is($t->request('DELETE', $again)->{status}, 204, 'and can be deleted');
is($t->get($again)->{status}, 404, 'for good');

for my $done ($path, $refused, $down, $brief) {
    is($t->request('DELETE', $done)->{status}, 204, 'DELETE at the end: 204');
    is($t->get($done)->{status}, 404, 'the job is removed');
    is($t->get("$done/history")->{status}, 404, 'and its history');
    is($t->request('DELETE', $done)->{status}, 404, 'once');
}


# --- canceled by somebody else ---------------------------------------------

my $taken = accepted('/service?delay=1h');
is(system("$t->{top}/build/store-probe", 'cancel', $t->store,
          $taken =~ s{.*/}{}r), 0, 'an operator cancels a job');
$answer = $t->get($taken);
is($answer->{status}, 200, 'the monitor stays');
is($answer->header('AsyncResult'), 503, 'AsyncResult');
is($answer->json->{error}{code}, 'job-canceled', 'the code');
$inner = pairs(ended($taken, Accept => 'application/http')->{body});
is("$inner->{status} $inner->{reason}", '503 Service Unavailable',
   'and as a message');
is($inner->json->{error}{code}, 'job-canceled', 'with the code');
is($t->request('DELETE', $taken)->{status}, 204, 'DELETE: 204');
is($t->get($taken)->{status}, 404, 'it is removed');


# --- Azure's client polls a Location, too ----------------------------------

my $url = 'http://127.0.0.1:' . $t->port . '/service?sleep=1';
my $run = $t->node('t/lib/node/operation.js', 'run', 'POST', $url,
                   'Prefer:respond-async');
is($run->{status}, 'succeeded', 'core-lro: succeeded');
is($run->{result}{target}, '/service?sleep=1', 'core-lro: the result');
like($run->{sent}[-1], qr{^GET /jobs/[-0-9a-f]+ 200$},
     'core-lro: from the monitor');

$t->done;


# --- large ones, in the clear and encrypted --------------------------------

for my $key ('', 'key=%%ROOT%%/key') {
    my $name = $key ? 'encrypted' : 'plain';

    $t = AsyncTest->new(http => servers(), name => "odata-$name",
                        store => $key);
    $t->write_file('key', '5a' x 32 . "\n");
    chown((stat $t->top)[4, 5], $t->root . '/key') if $> == 0;
    $t->start;

    for my $size (1000, 700_000) {
        my $large = accepted("/service?size=$size");
        my $body  = pattern($size);

        $answer = ended($large);
        is($answer->header('AsyncResult'), 200, "$name $size: AsyncResult");
        ok($answer->{body} eq $body, "$name $size: the bytes");

        for (1, 2) {
            $inner = pairs(ended($large, Accept => 'application/http')
                           ->{body});
            is($inner->{status}, 200, "$name $size: a message");
            is($inner->header('Content-Length'), $size,
               "$name $size: of that length");
            ok($inner->{body} eq $body, "$name $size: with the bytes");
        }
    }

    $t->done;
}

done_testing;
