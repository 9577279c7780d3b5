#!/usr/bin/env perl

# The main job: submit, follow Location, poll, fetch what the backend said.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;

        location /reports {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->start;


my $answer = $t->submit('/reports?sleep=1&header=X-Report:yes',
                        headers => ['Content-Type' => 'text/plain'],
                        body    => 'the body');
my $id = $answer->json->{id};

like($id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}
             -[0-9a-f]{12}$/x, 'the id is a UUIDv7');
is($answer->header('Location'),
   'http://127.0.0.1:' . $t->port . "/jobs/$id", 'Location is the job');
like($answer->header('Retry-After'), qr/^[1-9]\d*$/, 'Retry-After');
is($answer->header('Cache-Control'), 'no-store', 'the 202 is not cached');
is($answer->header('Content-Type'), 'application/json', 'the 202 is JSON');
is($answer->json->{statusUrl}, "/jobs/$id", 'statusUrl');

my $early = $t->get("/jobs/$id/result");
is($early->{status}, 202, 'no result yet: 202');
ok($early->header('Retry-After'), 'no result yet: Retry-After');

my %seen = ($answer->json->{status} => 1);
my $job = poll_until(30, sub {
    my $status = $t->get("/jobs/$id");
    my $json   = $status->json;
    $seen{ $json->{status} } = 1;
    return $json->{status} eq 'completed' ? $json : undef;
});

ok($job, 'the job completes') or diag(explain(\%seen));
ok($seen{queued} && $seen{processing}, 'it was seen queued and processing')
    or diag(explain(\%seen));
is($job->{resultStatus}, 200, 'resultStatus');
is($job->{resultUrl}, "/jobs/$id/result", 'resultUrl');

my $result = $t->get("/jobs/$id/result");
is($result->{status}, 200, 'the result has the status of the backend');
is($result->header('Async-Result'), 200, 'Async-Result');
is($result->header('X-Report'), 'yes', 'the result has its headers');
is($result->json->{length}, length 'the body', 'the result has its body');

my ($head, $body) = $t->backend_request;
like($head, qr{^POST /reports\?sleep=1&header=X-Report:yes HTTP/1\.[01]\r\n},
     'the backend got the request line');
like($head, qr/^Async-Job-Id: \Q$id\E\r$/m, 'the backend got the job id');
like($head, qr/^Async-Attempt: 1\r$/m, 'the backend got the attempt');
is($body, 'the body', 'the backend got the body');
is($t->backend_stats->{executions}, 1, 'the backend was asked once');

is($t->get('/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11')->{status}, 404,
   'a job that does not exist: 404');

$t->done;
done_testing;
