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
use MIME::Base64 qw(decode_base64 encode_base64);
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

        location /half {
            async on queue=many;
            async_callback_secret %%ROOT%%/gone %%ROOT%%/secret;
            proxy_pass http://%%BACKEND%%;
        }

        location /none {
            async on queue=many;
            async_callback_secret %%ROOT%%/gone;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_OWNED%%;
        server_name owned.example.com;
        async_owner $http_x_user;

        location /owners {
            async on queue=many;
            async_callback $http_x_callback_url;
            async_callback_allow 127.0.0.0/8;
            async_callback_secret %%ROOT%%/secret per=owner;
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
secret($t, 'gone');

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


subtest 'whoever else tries to sign is refused' => sub {
    my $got = delivered(with_callback($t, '/reports', "$base/status/204"));

    ok($got->{refused}{tampered}, 'a body that was changed');
    ok($got->{refused}{old}, 'a message of ten minutes ago');
    is_deeply($got->{right}, [0], 'and a secret of somebody else');
};


subtest 'during a rotation either secret verifies' => sub {
    my $got = delivered(with_callback($t, '/rotated', "$base/status/204"));

    is(scalar(split / /, $got->{headers}{'webhook-signature'}), 2,
       'two signatures');
    is_deeply($got->{right}, [0, 1], 'of both');
};


subtest 'with per=host each receiver has its own key' => sub {
    my ($code, $out) = $t->command('keygen', '--for', '127.0.0.1');
    my ($key) = $out =~ /^(whsec_\S+)$/m;

    is($code, 0, 'keygen says which') or diag($out);
    isnt($key, $secret, 'it is not the secret');
    is(derived($secret, '127.0.0.1'), $key, 'but HMAC of it and the host');

    for my $case (['Hooks.Example.NET:8443', 'hooks.example.net'],
                  ['https://HOOKS.example.net/in?x=1', 'hooks.example.net'],
                  ['[2001:DB8::A]:443', '2001:db8::a'],
                  ['2001:DB8::A', '2001:db8::a'])
    {
        my ($whom, $host) = @$case;
        ($code, $out) = $t->command('keygen', '--for', $whom);
        my $key = derived($secret, $host);
        ok((grep { $_ eq $key } split /\n/, $out), "$whom is $host");
    }

    ($code, $out) = $t->command('keygen', '--for', 'not a host');
    is($out, derived($secret, 'not a host') . "\n",
       'what is no host can only be an owner');

    $t->stop('receiver');
    receiver($t, 'receiver', "$secret,$key");

    my $port  = $t->port('receiver');
    my $own   = delivered(with_callback($t, '/hosts', "$base/status/204"));
    my $other = delivered(with_callback($t, '/hosts',
                                        "http://127.0.0.2:$port/status/204"));

    is_deeply($own->{right}, [1], 'its key verifies what it gets');
    is_deeply($other->{right}, [], 'and not what another gets');
};


subtest 'with per=owner each owner has, as he is written' => sub {
    my $key = derived($secret, 'Ann B.');
    my ($code, $out) = $t->command('keygen', '--for', 'Ann B.');
    my $submit = sub {
        return $t->job_path($t->submit('/owners', body => 'x',
            port    => 'OWNED',
            headers => ['X-User' => $_[0],
                        'X-Callback-Url' => "$base/status/204"]));
    };

    is($code, 0, 'keygen knows it') or diag($out);
    ok((grep { $_ eq $key } split /\n/, $out), 'HMAC of secret and owner');

    $t->stop('receiver');
    receiver($t, 'receiver', "$secret,$key");

    my $own   = delivered($submit->('Ann B.'));
    my $other = delivered($submit->('ann b.'));

    is_deeply($own->{right}, [1], 'it verifies what is hers');
    is_deeply($other->{right}, [], 'and not what is of another');
};


subtest 'one that hangs does not hold its neighbours' => sub {
    my $host  = 'http://127.0.0.3:' . $t->port('receiver');
    behave($t, 'receiver', 'hangs', '/hang');
    my $hangs = with_callback($t, '/hosts', "$host/as/hangs");

    ok(poll_until(30, sub { deliveries($t, 'receiver', '/as/hangs') }),
       'one is on its way, to a host that nobody knows');

    my $job = with_callback($t, '/hosts', "$host/status/204");
    delivered($job);
    line($job, 'delivered');
    is(scalar(webhook_lines($t, $hangs)), 0,
       'another is delivered there before the first is given up');

    # it ends with its connection
    $t->stop('receiver');
    receiver($t, 'receiver', $secret);
};


subtest 'which ends are told' => sub {
    my $job = with_callback($t, '/failures?status=500', "$base/status/204");
    my $got = delivered($job);
    my $body = JSON::PP::decode_json($got->{body});

    is($body->{type}, 'job.failed', 'one that failed');
    is($body->{data}{error}{code}, 'backend-status', 'and why');

    # whatever it has of the first, it has its webhook
    ($job) = $job =~ m{([^/]+)$};
    my ($as) = ($t->command('retry', $job))[1] =~ /retried as (\S+)/;
    $body = JSON::PP::decode_json(delivered("/jobs/$as")->{body});
    is($body->{data}{retryOf}, $job, 'so is a retry by hand');

    $job = with_callback($t, '/failures', "$base/status/204");
    $t->wait_job($job);
    is(scalar(webhook_lines($t, $job)), 0, 'one that completed is not');

    $job = with_callback($t, '/reports?sleep=60', "$base/status/204");
    poll_until(20, sub {
        $t->get($job)->json->{status} eq 'processing';
    });
    $t->request('DELETE', $job);
    is(JSON::PP::decode_json(delivered($job)->{body})->{type}, 'job.canceled',
       'one that was canceled');
};


subtest 'URLs come from async_status_uri where that is one' => sub {
    my $job = with_callback($t, '/elsewhere', "$base/status/204");
    my $body = JSON::PP::decode_json(delivered($job)->{body});
    is($body->{data}{statusUrl}, "https://public.example.org$job", 'they do');
};


subtest 'a callback that cannot be is refused, and there is no job' => sub {
    for my $case (['ftp://127.0.0.1/', 'callback-invalid'],
                  ['http://user@127.0.0.1/', 'callback-invalid'],
                  ['http://127.0.0.2/', 'callback-refused'],
                  ['https://example.com/', 'callback-refused'])
    {
        my $answer = $t->request('POST', '/reports', body => 'x',
            headers => ['X-Callback-Url', $case->[0]]);
        is($answer->{status}, 400, $case->[0]);
        is($answer->json->{code}, $case->[1], 'by its code');
        ok(!$answer->header('Location'), 'no job');
    }
};


subtest 'what was given up lies with the dead letters' => sub {
    behave($t, 'receiver', 'gone', '/status/410');
    my $job = with_callback($t, '/reports', "$base/as/gone?token=secret");
    my ($id) = $job =~ m{([^/]+)$};
    my $line = line($job, 'dead');

    is($line->{status}, 410, '410 gives it up');
    is($line->{attempt}, 1, 'at once');
    is($line->{error}, 'status', 'with an error');

    my ($code, $out) = $t->command('webhooks', '--dead', '--json');
    my $dead = JSON::PP::decode_json($out)->{webhooks};
    is($code, 0, 'they are listed');
    is_deeply([map { $_->{id} } @$dead], [$id], 'this one');
    is($dead->[0]{status}, 'dead', 'as dead');
    is($dead->[0]{lastStatus}, 410, 'with its status');
    is($dead->[0]{url}, "$base/as/gone", 'and its URL, without the query');

    ($code, $out) = $t->command('webhooks');
    like($out, qr/^$id +dead +1 +410 /m, 'in a table as well');
    unlike($out, qr/token/, 'that tells nothing secret');
    like(($t->command('show', $id))[1],
         qr/^  \S+Z  webhook-dead +worker, attempt 1, 410(?:, \d+ ms)?, status$/m,
         'what failed it is told by its own name');

    behave($t, 'receiver', 'gone', '/status/200');
    ($code, $out) = $t->command('redeliver', $id);
    is($code, 0, 'it can be delivered again') or diag($out);
    is($out, "$id is due again\n", 'and is to be');

    my @got = delivered($job, 2);
    is($got[0]{headers}{'webhook-id'}, $got[1]{headers}{'webhook-id'},
       'as the same message');
    is($got[0]{body}, $got[1]{body}, 'with the same body');
    is(line($job, 'delivered')->{attempt}, 2, 'by a second attempt');
    is_deeply([map { "$_->{event} $_->{by}" } webhook_lines($t, $job)],
              ['webhook-dead worker', 'webhook-redeliver cli:' . whoami(),
               'webhook-delivered worker'], 'all of it is history');

    is(($t->command('redeliver',
                    '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11'))[0], 3,
       'but not what is not there');
    my $plain = $t->job_path($t->submit('/reports'));
    $t->wait_job($plain);
    is(($t->command('redeliver', $plain =~ m{([^/]+)$}))[0], 1,
       'nor what has none');
};


subtest 'a worker that starts leaves alone what waits' => sub {
    behave($t, 'receiver', 'busy', '/status/429?after=3600');
    my $job = with_callback($t, '/reports', "$base/as/busy");
    is(line($job, 'failed')->{status}, 429, 'one waits, for an hour');

    $t->stop_worker;
    $t->start_worker;
    delivered(with_callback($t, '/reports', "$base/status/204")) for 1 .. 3;

    unlike(slurp("$t->{root}/worker.log"), qr/clock was set back/,
           'no clock was set back, and none is said to have been');
};


subtest 'a secret that the worker cannot read is left out' => sub {
    unlink $t->root . '/gone' or die $!;

    my $job = with_callback($t, '/half', "$base/status/204");
    my $got = delivered($job);

    unlike($got->{headers}{'webhook-signature'}, qr/ /, 'one signature');
    is_deeply($got->{right}, [0], 'of the secret that is there');
    is(line($job, 'delivered')->{status}, 204, 'delivered');

    $job = with_callback($t, '/none', "$base/status/204");
    is(line($job, 'failed')->{error}, 'no-secret', 'with none it waits');
    ok(!(grep { $_->{headers}{'webhook-id'} =~ substr $job, -36 }
         deliveries($t, 'receiver')), 'and nobody gets it unsigned');
};


subtest 'nothing secret is in logs' => sub {
    my $logs = join '', map { slurp($_) // '' }
               glob("$t->{root}/*.log $t->{root}/logs/*");
    unlike($logs, qr/whsec_/, 'no secret');
    unlike($logs, qr/token=secret/, 'no query of a callback');
};

my ($code, $out) = $t->command('check');
is($code, 0, 'the store is in order') or diag($out);

$t->done;
done_testing;


# the key of one receiver, by openssl
sub derived {
    my ($of, $whom) = @_;
    my $key = unpack 'H*', decode_base64($of =~ s/^whsec_//r);
    $t->write_file("$t->{root}/whom", $whom);
    my ($mac) = `openssl dgst -sha256 -mac hmac -macopt hexkey:$key $t->{root}/whom`
                =~ /([0-9a-f]{64})/;
    return 'whsec_' . encode_base64(pack('H*', $mac), '');
}


sub whoami { return $ENV{SUDO_USER} || getpwuid $> }
