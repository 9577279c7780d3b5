#!/usr/bin/env perl

# The dashboard, as people use it and as others' pages and jobs abuse it: in
# a browser.

use strict;
use warnings;

use AsyncTest;
use File::Path qw(make_path);
use Test::More;


my $t = AsyncTest->new(name => 'dashboard-browser', http => <<'END');
    async_queue reports concurrency=2;
    async_queue mail rate=2r/s paused;
    async_queue "<img/src=x/onerror=window.ran=1>" paused;

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name board.test;
        async_status_uri /jobs/;

        async_schedule nightly "0 3 * * *" POST /reports?n=nightly;
        async_schedule "<img/src=x/onerror=window.ran=1>" "0 3 * * *"
                       POST /reports;

        location /reports {
            async on queue=reports;
            async_retry 2 backoff=10ms:10ms;
            proxy_pass http://%%BACKEND%%;
        }

        location /mail {
            async on queue=mail;
            proxy_pass http://%%BACKEND%%;
        }

        location /owned {
            async on queue=reports;
            async_owner $arg_who;
            async_status_uri /mine/;
            proxy_pass http://%%BACKEND%%;
        }

        location /hostile {
            async on queue=reports;
            async_status_uri /jobs/$arg_prefix/;
            proxy_pass http://127.0.0.1:%%PORT_NODE%%;
        }

        location /hooked {
            async on queue=reports;
            async_callback http://127.0.0.1:%%PORT_NODE%%/hook?token=hidden;
            async_callback_allow 127.0.0.1;
            async_callback_secret %%ROOT%%/secret;
            proxy_pass http://%%BACKEND%%;
        }

        location /waits {
            async on "queue=<img/src=x/onerror=window.ran=1>";
            proxy_pass http://%%BACKEND%%;
        }

        location /progress/ {
            async_progress base=http://127.0.0.1:%%PORT%%;
        }

        location /jobs/  { async_status; }
        location /mine/  { async_status; async_owner $http_x_who; }
        location /board/ { async_dashboard; }
        location /desk/  { async_dashboard actions; }
    }

    server {
        listen 127.0.0.1:%%PORT_OTHER%%;
        root html;
    }
END

my $shots = $t->top . '/build/screens';
make_path($shots);

$t->write_file('html/index.html', "<!doctype html><title>other</title>\n");
$t->write_file('secret', 'whsec_' . 'c2VjcmV0' x 5 . "\n");
$t->start;

my $home = 'http://127.0.0.1:' . $t->port;
my $seen = $t->node('t/browser/dashboard.js', $home, $shots,
                    $t->port('OTHER'), $t->port('NODE'));

is_deeply($seen->{overview}, {
    live    => 'live',
    figures => ['Waiting', 'Running', 'Queues', 'Jobs kept',
                'Store, of 64.0 GiB'],
    mail    => 'paused',
    bars    => 1,
    width   => '15 min',
}, 'the overview shows figures, charts and queues, live');

is_deeply($seen->{live}, { job => 'queued', ended => 'completed',
                           list => 1 },
          'what changes is seen without a hand moving');

is_deeply($seen->{search}, {
    byStatus => { failed => 1 }, byQueue => { mail => 2 },
    byOwner => 1, byAnotherOwner => 0, byTime => 0, byId => 'POST /mail?n=2',
    logged => JSON::PP::false,
}, 'jobs are found by status, queue, owner, time and id');

is_deeply($seen->{job}, {
    attempts => [1, 2], how => ['backend-status', 'backend-status'],
    backend => [503, 503], bars => 2, last => 'failed',
}, 'a job shows its timeline, attempts and history');

is_deeply($seen->{acts}, {
    canceled => 'canceled', by => 'dashboard', kept => 'queued',
    retried => 'failed', paused => 'paused', resumed => 'open',
    purged => 'canceled', deleted => 404,
}, 'cancel, retry, pause, resume, purge and delete');

is_deeply($seen->{webhooks}, {
    offered => JSON::PP::true, dead => 'dead', receiver => 1, hidden => 0,
    delivered => 'delivered', by => 'dashboard', job => 'delivered',
}, 'a dead letter is found and delivered again');

is_deeply($seen->{schedules}, {
    offered => JSON::PP::true, cron => '0 3 * * *', next => 1,
    paused => 'paused', none => '', resumed => 'open', ran => 'completed',
}, 'a schedule is paused, resumed and run');

is_deeply($seen->{reader}, { buttons => 0, heads => 0, act => 403 },
          'without "actions" there is no button, and no action');

is_deeply($seen->{keyboard}, { first => 'To the content',
                               asked => 'No, leave it',
                               status => 'canceled' },
          'a job is found and canceled with the keyboard alone');

is_deeply($seen->{narrow}, {}, 'at 360 px nothing is wider than the screen');
is_deeply($seen->{dark}, { light => 1, dark => 1 }, 'light and dark');
is($seen->{polling}, 'every 5 s', 'without a stream it looks now and then');

cmp_ok($seen->{hostile}{vectors}, '>=', 200, 'vectors stored in all fields');
is_deeply([@{ $seen->{hostile} }{qw(ran foreign said shown)}],
          [0, 0, [], $seen->{hostile}{vectors}],
          'none of them runs: each is text');

is_deeply($seen->{others}, {
    status => { map { $_ => 'queued' } qw(127.0.0.1 localhost) },
    framed => JSON::PP::false,
}, 'no form, image, script or frame of another origin can act');

is($seen->{refused}, 0, 'nothing was refused by the content policy');
is_deeply($seen->{errors}, [], 'no script has failed');

$t->done;
done_testing;
