#!/usr/bin/env perl

# Webhooks, from the callback of a submit to a receiver that verifies them
# with the package that Standard Webhooks publishes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncHooks;
use AsyncTest;
use JSON::PP ();
use Test::More;


my $t = AsyncTest->new(workers => 2, http => <<'END');
    async_queue many concurrency=50;
    async_queue held concurrency=1;

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name api.example.com;
        async_callback $http_x_callback_url;
        async_callback_allow 127.0.0.1;
        async_callback_secret %%ROOT%%/secret;

        location /reports {
            async on queue=many;
            async_retry off;
            proxy_pass http://%%BACKEND%%;
        }

        location /failures {
            async on queue=many;
            async_retry off;
            async_callback $http_x_callback_url on=failed;
            proxy_pass http://%%BACKEND%%;
        }

        location /rotated {
            async on queue=many;
            async_callback_secret %%ROOT%%/new %%ROOT%%/secret;
            proxy_pass http://%%BACKEND%%;
        }

        location /hosts {
            async on queue=many;
            async_callback_allow 127.0.0.0/8;
            async_callback_secret %%ROOT%%/secret per=host;
            proxy_pass http://%%BACKEND%%;
        }

        location /elsewhere {
            async on queue=many;
            async_status_uri https://public.example.org/jobs/;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $secret = secret($t, 'secret');
my $new    = secret($t, 'new');
my $other  = secret($t, 'other');

receiver($t, 'receiver', "$secret,$new,$other");
$t->start;

my $base = 'http://127.0.0.1:' . $t->port('receiver');


# the delivery of a job, once it has come
sub delivered {
    my ($job, $n) = @_;
    my $id  = 'msg_' . ($job =~ m{([^/]+)$})[0];
    my @got;
    poll_until(30, sub {
        @got = grep { $_->{headers}{'webhook-id'} eq $id }
               deliveries($t, 'receiver');
        return @got >= ($n || 1);
    }) or die "no delivery of $job\n";
    return wantarray ? @got : $got[0];
}


# the last line of its history that is a webhook's
sub line {
    my ($job, $event) = @_;
    return poll_until(30, sub {
        my @lines = webhook_lines($t, $job);
        return @lines && $lines[-1]{event} eq "webhook-$event" && $lines[-1];
    }) || die "no $event of $job";
}


subtest 'a job that has completed is told' => sub {
    my $job = with_callback($t, '/reports?a=1', "$base/status/204?q=1");
    my $got = delivered($job);
    my $doc = $t->wait_job($job);
    my $body = JSON::PP::decode_json($got->{body});

    is("$got->{method} $got->{path}", 'POST /status/204?q=1', 'a POST');
    is($got->{headers}{'content-type'}, 'application/json', 'of JSON');
    is_deeply($got->{right}, [0], 'signed with the secret') or note $got->{why};
    is($body->{type}, 'job.completed', 'its type');
    is($body->{timestamp}, $doc->{finishedAt}, 'when that was');
    is($body->{data}{id}, $doc->{id}, 'its document');
    is($body->{data}{statusUrl},
       'http://api.example.com:' . $t->port . $job,
       'with an absolute URL of the name of the server');
    is($body->{data}{resultUrl}, "$body->{data}{statusUrl}/result",
       'and of the result');
    unlike($got->{body}, qr/127\.0\.0\.1/, 'and nothing of our Host');

    my $line = line($job, 'delivered');
    is($line->{status}, 204, 'the history has its status');
    is($line->{attempt}, 1, 'and which attempt it was');
    is($line->{by}, 'worker', 'and whose');
};

$t->done;
done_testing;
