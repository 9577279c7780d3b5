#!/usr/bin/env perl

# Receivers of webhooks that are down, refuse, hang, drip, close early, or are
# not whom their certificate says, over HTTP/1.1 and HTTP/2; the hours of a
# schedule, and the peace that one who is dead gets, by a clock that is set.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncHooks;
use AsyncPreload;
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(workers => 2, http => <<'END');
    async_queue many concurrency=50;

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name localhost;

        location /reports {
            async on queue=many;
            async_retry off;
            async_callback $http_x_callback_url;
            async_callback_allow 127.0.0.1 good.test wrong.test a.test b.test
                c.test d.test e.test f.test g.test h.test i.test j.test
                k.test l.test m.test;
            async_callback_secret %%ROOT%%/secret per=host;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $secret  = secret($t, 'secret');
my $control = AsyncPreload->new($t, 'clock');
my $names   = AsyncPreload->new($t, 'names');

$t->make_certificate('good.test');
receiver($t, 'receiver', $secret);
receiver($t, 'tls', $secret, "$t->{root}/cert.pem", "$t->{root}/key.pem");
receiver($t, 'h2', $secret, "$t->{root}/cert.pem", "$t->{root}/key.pem", 'h2');
$t->write_file("$t->{root}/names", join '', map { "$_.test 127.0.0.1\n" }
               'good', 'wrong', 'a' .. 'm');
$t->start_backend;
$t->start_nginx;

{
    local $ENV{SSL_CERT_FILE} = "$t->{root}/cert.pem";
    local $ENV{FAULT_NAMES}   = "$t->{root}/names";
    local $ENV{https_proxy}   = 'http://127.0.0.1:1';
    local $ENV{http_proxy}    = 'http://127.0.0.1:1';
    local $ENV{LD_PRELOAD}    = "$control->{library}:$names->{library}";
    local $ENV{FAULT_CONTROL} = $control->{file};
    local $ENV{FAULT_STORE}   = $t->store;
    $t->start_worker;
}

my $tls  = $t->port('tls');
my $h2   = $t->port('h2');
my $down = $t->port('down');
my $set  = 0;


# the clock of the worker goes on by so many ms
sub later {
    $set += $_[0];
    $control->set(offset => $set);
    return;
}


sub lines {
    my ($job, $n) = @_;
    my @lines;
    poll_until(40, sub { (@lines = webhook_lines($t, $job)) >= $n })
        or diag("$job has ", scalar @lines, " lines, not $n");
    return @lines;
}


# each has a host of its own: one that hangs would hold the others up

my $port = $t->port('receiver');

my %slow = (hang => 'a', drip => 'b');

for my $what (sort keys %slow) {
    behave($t, 'receiver', $what, "/$what");
    $slow{$what} = with_callback($t, '/reports',
                                 "http://$slow{$what}.test:$port/as/$what");
}

my %ends = (
    "http://c.test:$port/status/500" => ['failed', 500, 'status'],
    "http://d.test:$port/status/404" => ['failed', 404, 'status'],
    "http://e.test:$port/redirect"   => ['failed', 301, 'status'],
    "http://f.test:$port/close"      => ['failed', undef, 'broken'],
    "http://g.test:$port/cut"        => ['failed', undef, 'broken'],
    "http://h.test:$port/large"      => ['delivered', 200, undef],
    "http://i.test:$port/status/410" => ['dead', 410, 'status'],
    "http://k.test:$down/"           => ['failed', undef, 'unreachable'],
    "https://good.test:$tls/status/204"  => ['delivered', 204, undef],
    "https://good.test:$h2/status/202"   => ['delivered', 202, undef],
    "https://good.test:$h2/status/500"   => ['failed', 500, 'status'],
    "https://good.test:$h2/close"        => ['failed', undef, 'broken'],
    "https://wrong.test:$h2/status/204"  => ['failed', undef, 'tls'],
    "https://wrong.test:$tls/status/204" => ['failed', undef, 'tls'],
    "http://wrong.test:$tls/status/204"  => ['failed', undef, 'broken'],
    "https://127.0.0.1:$tls/status/204"  => ['failed', undef, 'tls'],
);

my %jobs = map { $_ => with_callback($t, '/reports', $_) } sort keys %ends;

for my $url (sort keys %ends) {
    my ($line) = lines($jobs{$url}, 1);
    my ($event, $status, $error) = @{ $ends{$url} };
    is_deeply([@$line{qw(event status error)}],
              ["webhook-$event", $status, $error], $url =~ s/:\d+//r);
}

is(scalar(deliveries($t, 'receiver', '/status/204?moved')), 0,
   'no redirect is followed');

is_deeply([map { $_->{version} } deliveries($t, 'h2', '/status/202'),
           deliveries($t, 'tls', '/status/204')], ['2.0', '1.1'],
          'HTTP/2 where it is offered');

for my $what (sort keys %slow) {
    my ($line) = lines($slow{$what}, 1);
    is($line->{event}, 'webhook-failed', "one that would $what failed");
    is($line->{error}, 'timeout', 'when its time was up');
    behave($t, 'receiver', $what, '/status/204');
}


subtest 'the hours of a schedule' => sub {
    my $job = with_callback($t, '/reports', "http://j.test:$port/as/never");
    behave($t, 'receiver', 'never', '/status/503');
    my @waits = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400);
    my @lines;

    for my $n (1 .. 9) {
        @lines = lines($job, $n);
        is($lines[-1]{event}, 'webhook-failed', "try $n failed") or return;
        later($waits[$n - 1] * 1100);
    }

    @lines = lines($job, 10);
    is($lines[9]{event}, 'webhook-dead', 'the tenth gives it up');
    is($lines[9]{attempt}, 10, 'by its number');

    my @got = deliveries($t, 'receiver', '/as/never');
    is(scalar @got, 10, 'ten were made');
    my %ids = map { $_->{headers}{'webhook-id'} => 1 } @got;
    is(scalar keys %ids, 1, 'of one message');
    is($t->get("$job/result")->{status}, 200,
       'after three days its result is there');
};


subtest 'Retry-After is waited for' => sub {
    my $job = with_callback($t, '/reports', "http://m.test:$port/as/busy");
    behave($t, 'receiver', 'busy', '/status/429?after=3600');
    lines($job, 1);
    later(3_500_000);
    behave($t, 'receiver', 'busy', '/status/204');
    is(scalar(webhook_lines($t, $job)), 1, 'not before');
    later(200_000);
    is((lines($job, 2))[1]{event}, 'webhook-delivered', 'but then');
};


subtest 'one who is dead is left in peace' => sub {
    my $url = "http://l.test:$port/as/dead";
    my $webhook = sub {
        my ($id) = $_[0] =~ m{([^/]+)$};
        my ($hook) = grep { $_->{id} eq $id } @{ JSON::PP::decode_json(
                         ($t->command('webhooks', '--json'))[1])->{webhooks} };
        return $hook;
    };

    behave($t, 'receiver', 'dead', '/status/503');
    my @jobs = map { my $job = with_callback($t, '/reports', $url);
                     lines($job, 1); $job } 1 .. 5;
    push @jobs, with_callback($t, '/reports', $url);

    # a minute at the most, and half a one at the least
    ok(poll_until(40, sub {
        my ($hook) = $webhook->($jobs[5]);
        return $hook && $hook->{nextAttemptAt} gt $hook->{owedAt};
    }), 'after five failures in a row the next is put off');
    is($webhook->($jobs[5])->{attempts}, 0, 'without a try');
    is(scalar(deliveries($t, 'receiver', '/as/dead')), 5, 'so five were made');

    my $other = with_callback($t, '/reports', "http://c.test:$port/status/204");
    is((lines($other, 1))[0]{event}, 'webhook-delivered',
       'another host is none the worse');

    my $delivered = sub {
        my ($n) = @_;
        return poll_until(40, sub {
            $n <= grep {
                my ($last) = reverse webhook_lines($t, $_);
                $last && $last->{event} eq 'webhook-delivered';
            } @jobs;
        });
    };

    # the others find the first under way, and wait once more
    behave($t, 'receiver', 'dead', '/status/204');
    later(70_000);
    ok($delivered->(1), 'it is asked once more, and answers');
    later(70_000);
    ok($delivered->(6), 'so it gets all that it is owed');
};


my ($code, $out) = $t->command('check');
is($code, 0, 'the store is in order') or diag($out);

$t->done;
done_testing;
