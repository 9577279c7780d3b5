#!/usr/bin/env perl

# An inbox (async_verify): what is signed is taken, once; what is not reaches
# neither the store nor the backend.

use strict;
use warnings;

use AsyncClient;
use AsyncTest;
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex);
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;


# what Standard Webhooks and GitHub publish, and one like Stripe's
my $published = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
my $everybody = q(It's a Secret to Everybody);
my $stripe    = 'whsec_c629bf77db5fd477d18b44265a2b13cd45d8d6bea5d8e496061b';
my $new       = 'whsec_' . encode_base64('n' x 32, '');

my $t = AsyncTest->new(workers => 4, http => <<'END');
    client_body_buffer_size 1k;
    client_max_body_size 0;
    async_retry off;

    log_format message '$async_replay $async_message_id';

    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%ROOT%%/messages.log message;
        proxy_set_header X-Message "$async_message_id";

        location /old {
            async on;
            async_verify standard %%ROOT%%/standard tolerance=50y;
            proxy_pass http://%%BACKEND%%;
        }

        location /standard {
            async on;
            async_verify standard %%ROOT%%/new %%ROOT%%/standard;
            proxy_pass http://%%BACKEND%%;
        }

        location /second {
            async on;
            async_verify standard %%ROOT%%/standard;
            proxy_pass http://%%BACKEND%%;
        }

        location /github {
            async on;
            async_verify github %%ROOT%%/github;
            async_idempotency $async_message_id required;
            proxy_pass http://%%BACKEND%%;
        }

        location /stripe {
            async on;
            async_verify stripe %%ROOT%%/stripe tolerance=10m;
            proxy_pass http://%%BACKEND%%;
        }

        location /forget {
            async on;
            async_forget on;
            async_verify github %%ROOT%%/github;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

my %secrets = (standard => $published, new => $new, github => $everybody,
               stripe => $stripe);

for my $name (sort keys %secrets) {
    $t->write_file($name, "$secrets{$name}\n");
    chmod 0600, $t->root . "/$name" or die $!;
}

$t->start;

my $number = 0;
my @accepted;


# headers of a message: with what it is signed, and what differs then
sub standard {
    my ($body, %args) = @_;
    my $id   = $args{id} // 'msg_' . ++$number;
    my $time = $args{time} // time;
    my @keys = map { decode_base64(s/^whsec_//r) }
               @{ $args{secrets} || [$published] };

    return {
        'webhook-id'        => $id,
        'webhook-timestamp' => $time,
        'webhook-signature' => join(' ',
            map { 'v1,' . encode_base64(hmac_sha256("$id.$time.$body", $_), '')
            } @keys),
    };
}


sub github {
    my ($body, %args) = @_;
    return {
        'X-GitHub-Delivery'   => $args{id} // 'guid-' . ++$number,
        'X-Hub-Signature-256' => 'sha256='
            . hmac_sha256_hex($body, $args{secret} // $everybody),
    };
}


sub stripe {
    my ($body, %args) = @_;
    my $time = $args{time} // time;
    return {
        'Stripe-Signature' => "t=$time,v1="
            . hmac_sha256_hex("$time.$body", $args{secret} // $stripe)
            . ',v0=' . 'ab' x 32,
    };
}


sub post {
    my ($target, $headers, $body, %args) = @_;
    my $answer = $t->request('POST', $target, body => $body, %args,
                             headers => [%$headers]);
    push @accepted, $answer if $answer->header('Location');
    return $answer;
}


sub refused {
    my ($answer, $what) = @_;
    subtest $what => sub {
        is($answer->{status}, 401, '401');
        is($answer->json->{code}, 'signature-invalid', 'code');
        is($answer->header('Content-Type'), 'application/problem+json',
           'a problem');
        ok($answer->header('WWW-Authenticate'), 'WWW-Authenticate');
    };
    return;
}


# the job of an answer, once it has ended
sub ended {
    my ($answer) = @_;
    return $answer->{status} == 202 ? $t->wait_job($answer)
         : { status => "$answer->{status} $answer->{body}" };
}


# --- the vectors, and each of them with one thing changed ------------------

my %vectors = (
    standard => {
        target  => '/old',
        body    => '{"test": 2432232314}',
        headers => {
            'webhook-id'        => 'msg_p5jXN8AQM9LWM0D4loKWxJek',
            'webhook-timestamp' => '1614265330',
            'webhook-signature' =>
                'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
        },
        unsigned => [],
    },
    github => {
        target  => '/github',
        body    => 'Hello, World!',
        headers => {
            'X-GitHub-Delivery'   => '72d3162e-cc78-11e3-81ab-4c9367dc0958',
            'X-Hub-Signature-256' => 'sha256=757107ea0eb2509fc211221cce984b'
                . '8a37570b6d7586c22c46f4379c8b043e17',
        },
        unsigned => ['X-GitHub-Delivery'],
    },
    stripe => {
        target   => '/stripe',
        body     => '{"object":{"id":"no"},"id":"evt_1"}',
        headers  => stripe('{"object":{"id":"no"},"id":"evt_1"}'),
        unsigned => [],
    },
);

for my $scheme (sort keys %vectors) {
    my ($target, $body, $headers) =
        @{ $vectors{$scheme} }{qw(target body headers)};

    for my $cut (0, 1) {
        my $other = $cut ? substr($body, 0, -1) : "$body ";
        refused(post($target, $headers, $other),
                "$scheme: the body " . ($cut ? 'cut' : 'and a space'));
    }

    refused(post($target, $headers, $body =~ s/2/3/r =~ s/W/w/r =~ s/evt/evs/r),
            "$scheme: another byte in the body");
    refused(post($target, $headers, undef), "$scheme: no body");

    for my $name (sort keys %$headers) {
        next if grep { $_ eq $name } @{ $vectors{$scheme}{unsigned} };
        my $value = $headers->{$name};

        refused(post($target, { %$headers, $name => $value =~ s/(.)$/
                     chr(ord($1) ^ 1)/er }, $body), "$scheme: $name changed")
            if $name !~ /stripe/i;
        refused(post($target, { map { $_ => $headers->{$_} }
                                grep { $_ ne $name } keys %$headers }, $body),
                "$scheme: no $name");
        refused($t->request('POST', $target, body => $body,
                            headers => [%$headers, $name => $value]),
                "$scheme: two of $name");
    }

    my $answer = post($target, $headers, $body);
    is($answer->{status}, 202, "$scheme: as it was published: 202");
    is(ended($answer)->{status}, 'completed', "$scheme: and it runs");
    is(post($target, $headers, $body)->json->{id}, $answer->json->{id},
       "$scheme: once");
}

refused(post('/stripe', stripe('{}', secret => 'whsec_x'), '{}'),
        'stripe: another secret');
refused(post('/stripe', { 'Stripe-Signature' =>
             stripe('{}')->{'Stripe-Signature'} =~ s/v1/v2/r }, '{}'),
        'stripe: another version');

is($t->backend_stats->{executions}, 3, 'nothing else has reached the backend');


# --- time ------------------------------------------------------------------

refused(post('/standard', standard('x', time => time - 3600), 'x'),
        'an hour old');
refused(post('/standard', standard('x', time => time + 3600), 'x'),
        'of an hour to come');
refused(post('/stripe', stripe('{}', time => time - 700), '{}'),
        'stripe: older than its tolerance');
is(post('/standard', standard('x', time => time - 240), 'x')->{status}, 202,
   'four minutes old');
is(post('/stripe', stripe('{"id":"evt_old"}', time => time - 500),
        '{"id":"evt_old"}')->{status}, 202, 'stripe: within its tolerance');


# --- rotation --------------------------------------------------------------

is(post('/standard', standard('x', secrets => [$_]), 'x')->{status}, 202,
   'either secret is good') for $published, $new;
is(post('/standard', standard('x', secrets => ['whsec_' . 'A' x 32, $new]),
        'x')->{status}, 202, 'one of two signatures is');
refused(post('/second', standard('x', secrets => [$new]), 'x'),
        'not where it is none');


# --- a message runs once ---------------------------------------------------

sub executions { return $t->backend_stats->{executions} }

{
    my $first = post('/standard', standard('one', id => 'once'), 'one');
    my $again = post('/standard', standard('two', id => 'once'), 'two');

    is($again->{status}, 202, 'the same id and another body: 202');
    is($again->json->{id}, $first->json->{id}, 'the same job');
    is($again->header('Idempotent-Replayed'), 'true', 'Idempotent-Replayed');
    is(ended($again)->{status}, 'completed', 'it runs');

    my %many  = %{ standard('x', id => 'many') };
    my @waits = map { AsyncClient->post($t, '/standard', body => 'x',
                                        headers => [%many]) } 1 .. 20;
    my %ids   = map { $_->answer->json->{id} => 1 } @waits;

    is(keys %ids, 1, 'twenty at once are one');

    my $late = post('/standard', {
        %{ standard('one', id => 'once') }, Authorization => 'Bearer other',
        'Idempotency-Key' => 'other' }, 'one');

    is($late->json->{id}, $first->json->{id}, 'whatever else is sent with it');
    is($t->backend_stats->{jobs}{ $first->json->{id} }, 1, 'once');

    my $elsewhere = post('/second', standard('one', id => 'once'), 'one');

    isnt($elsewhere->json->{id}, $first->json->{id},
         'another location has ids of its own');
    ended($elsewhere);

    my ($run) = grep { ($_->{job} // '') eq $first->json->{id} }
                $t->backend_log('arrived');
    my ($head) = $t->backend_request($run->{n});

    like($head, qr/^Idempotency-Key: "once"\r$/m, 'the backend knows it, too');
    like($head, qr/^X-Message: once\r$/m, 'and has the variable');
    like($head, qr/^webhook-signature: v1,/m, 'and all that was sent');
}


# --- what failed runs again ------------------------------------------------

{
    my $first = post('/standard?status=500', standard('x', id => 'f'), 'x');
    is(ended($first)->{status}, 'failed', 'it failed');

    my $second = post('/standard?status=500', standard('x', id => 'f'), 'x');
    isnt($second->json->{id}, $first->json->{id}, 'sent again it runs again');
    is($second->header('Idempotent-Replayed'), undef, 'as a new one');
    is(ended($second)->{status}, 'failed', 'and again');

    my $third = post('/standard', standard('x', id => 'f'), 'x');
    is(ended($third)->{status}, 'completed', 'until it is completed');
    is(post('/standard', standard('x', id => 'f'), 'x')->json->{id},
       $third->json->{id}, 'and then no more');

    my $cut = post('/standard?reset=before', standard('x', id => 'u'), 'x');
    is(ended($cut)->{error}{code}, 'outcome-unknown',
       'of one it is not known what came of it');
    is(post('/standard', standard('x', id => 'u'), 'x')->json->{id},
       $cut->json->{id}, 'it does not run again');
}


# --- bodies of any size, and an id that is in the body ---------------------

for my $size (0, 10, 5_000, 100_000, 1_000_000) {
    my $body = '{"data":"' . 'x' x $size . qq(","id":"evt_$size"});
    my $bad  = $body =~ s/x"/y"/r =~ s/""/"y"/r;

    refused(post('/stripe', stripe($body), $bad), "$size bytes, changed");

    my $answer = post('/stripe?echo=1', stripe($body), $body);
    my $job    = ended($answer);

    is($job->{status}, 'completed', "$size bytes: taken");
    is($t->get($job->{resultUrl})->{body}, $body, "$size bytes: as they were")
        if $job->{resultUrl};
    is(post('/stripe', stripe("$body "), "$body ")->json->{id}, $job->{id},
       "$size bytes: known by the id in them");
}

isnt(post('/stripe', stripe('{}'), '{}')->json->{id},
     post('/stripe', stripe('{}'), '{}')->json->{id},
     'without an id each is a job');

{
    my $body   = 'a' x 3000;
    my $answer = $t->raw(join("\r\n", 'POST /github HTTP/1.1', 'Host: x',
        'Connection: close', 'Transfer-Encoding: chunked',
        (map { "$_: " . github($body, id => 'chunked')->{$_} }
         sort keys %{ github('') }), '',
        sprintf('%x', length $body), $body, 0, '', ''));
    is(ended($answer)->{status}, 'completed', 'a body in chunks');
}


# --- and nothing gets by ---------------------------------------------------

{
    ended($_) for @accepted;
    my $before = executions();

    refused(post('/standard', { Upgrade => 'x', Connection => 'upgrade' }, 'x'),
            'by an upgrade');
    refused(post('/standard', { 'Content-Type' => 'application/grpc' }, 'x'),
            'as gRPC');
    refused($t->request('PUT', '/standard', body => 'x'), 'by another method');

    my $early = $t->raw(join "\r\n", 'POST /standard HTTP/1.1', 'Host: x',
                        'Content-Length: 1000000000', '', 'the first of it');
    refused($early, 'before a body is read, if there is no signature');

    for my $method (qw(GET OPTIONS)) {
        my $answer = $t->request($method, '/standard');
        is($answer->{status}, 405, "by $method");
        is($answer->header('Allow'), 'POST, PUT, PATCH, DELETE', 'Allow');
    }

    my $none = post('/github', github('x', id => ''), 'x');
    is($none->{status}, 400, 'no id, where one is required');
    is($none->json->{code}, 'idempotency-key-missing', 'code');

    refused(post('/forget', github('x', secret => 'y'), 'x'),
            'where nothing is told');
    is(executions(), $before, 'the backend has seen nothing of it');

    is(post('/forget', github('x', id => 'g'), 'x')->{status}, 202, 'signed');
    ok(poll_until(30, sub { executions() == $before + 1 }), 'it runs');
}


# --- what is told of it ----------------------------------------------------

ok(poll_until(20, sub {
    (slurp($t->root . '/messages.log') // '') =~ /^1 once$/m
}), 'the variable is there at the replay');
like(slurp($t->root . '/messages.log'), qr/^- once$/m, 'and at submission');

my $said = join '', map { slurp($_) // '' } glob $t->root . '/*.log';

unlike($said, qr/\Q$_\E/, 'no secret in any log') for values %secrets;

$t->done;
done_testing;
