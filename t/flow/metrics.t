#!/usr/bin/env perl

# Metrics: what is counted, by which labels, over restarts of everything, by
# all nginx workers; and what promtool says of them and of the rules that
# come along.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

my $t = AsyncTest->new(workers => 2, http => <<'END');
    log_format async '$status job=$async_job_id queue=$async_queue '
                     'attempt=$async_attempt replay=$async_replay '
                     'state=$async_job_status';
    access_log async.log async;

    async_queue held paused max_queued=1;
    async_queue late paused;
    async_queue "odd\"\\q" per_owner=1;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        async_retry off;

        location /a    { async on; async_coalesce $arg_one; async_delay $arg_delay;
                         proxy_pass http://%%BACKEND%%; }
        location /held { async on queue=held; proxy_pass http://%%BACKEND%%; }
        location /late { async on queue=late; async_start_timeout 500ms;
                         proxy_pass http://%%BACKEND%%; }
        location /down { async on; proxy_pass http://127.0.0.1:1; }
        location /odd  { async on "queue=odd\"\\q"; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; async_wait 0 max=60s; }

        location = /metrics { async_metrics; }
    }
END
$t->start;

my $dir = $t->root;
my %m;                                  # samples, by name and labels


sub scrape {
    my $answer = $t->get('/metrics');
    is($answer->{status}, 200, 'a scrape');
    %m = $answer->{body} =~ /^([a-z_]+(?:\{.*\})?) (\S+)$/mg;
    return $answer;
}


my %default = (queue => 'default');

sub of {
    my ($name, %labels) = @_;
    my $key = "nginx_async_$name";
    $key .= '{' . join(',', map { qq($_="$labels{$_}") } sort keys %labels)
            . '}' if %labels;
    return $m{$key};
}


# --- what clients do ------------------------------------------------------

my $done = $t->submit('/a', headers => ['Idempotency-Key' => 'k1']);
$t->submit('/a', headers => ['Idempotency-Key' => 'k1']);
is($t->request('POST', '/a?x', body => '',
               headers => ['Idempotency-Key' => 'k1'])->{status}, 422,
   'a key that was used');
is($t->request('POST', '/a?delay=never', body => '')->{status}, 400,
   'a bad delay');
my $slow = $t->submit('/a?one=1&sleep=60');
$t->submit('/a?one=1&sleep=60');
$t->submit('/held');
is($t->request('POST', '/held', body => '')->{status}, 503, 'a full queue');
my $failed  = $t->submit('/a?status=500');
my $refused = $t->submit('/down');
my $odd     = $t->submit('/odd');

$t->wait_job($_) for $done, $failed, $refused, $odd;
poll_until(20, sub {
    $t->get($t->job_path($slow))->json->{status} eq 'processing';
});

# three that wait, in whichever nginx worker
my @waiting = map {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $t->port);
    print $socket 'GET ', $t->job_path($slow), " HTTP/1.1\r\nHost: x\r\n",
                  "Prefer: wait=60\r\n\r\n";
    $socket;
} 1 .. 3;


# --- a scrape -------------------------------------------------------------

my $answer = scrape();
is($answer->header('Content-Type'), 'text/plain; version=0.0.4', 'its type');
is($answer->header('Cache-Control'), 'no-store', 'which is not cached');

is(of('jobs', %default, status => 'completed'), 1, 'jobs: completed');
is(of('jobs', %default, status => 'failed'), 2, 'failed');
is(of('jobs', %default, status => 'processing'), 1, 'processing');
is(of('jobs', queue => 'held', status => 'queued'), 1, 'queued');
is(of('jobs_finished_total', %default, status => 'failed'), 2, 'finished');

my %submits = (accepted => 4, replayed => 1, coalesced => 1, retried => 0,
               'idempotency-key-reused' => 1, 'delay-invalid' => 1);
is(of('submits_total', %default, result => $_), $submits{$_}, "submits: $_")
    for sort keys %submits;
is(of('submits_total', queue => 'held', result => 'queue-full'), 1,
   'submits: queue-full');

is(of('attempts_total', %default, result => 'completed'), 1, 'attempts');
is(of('attempts_total', %default, result => 'backend-status'), 1,
   'that the backend refused');
is(of('attempts_total', %default, result => 'backend-unreachable'), 1,
   'that did not reach it');

for my $name (qw(job_duration job_wait)) {
    my $count = $name eq 'job_wait' ? 4 : 3;
    is(of("${name}_seconds_count", %default), $count, "$name: count");
    is($m{qq(nginx_async_${name}_seconds_bucket{queue="default",le="+Inf"})},
       $count, 'the last bucket');
    ok($m{qq(nginx_async_${name}_seconds_bucket{queue="default",le="60.000"})}
       <= $count, 'and another');
    like(of("${name}_seconds_sum", %default), qr/^\d+\.\d{3}$/, 'the sum');
}

ok(of('queue_oldest_seconds', queue => 'held') > 0, 'the oldest waits');
is(of('queue_oldest_seconds', %default), '0.000', 'and elsewhere none');
is(of('queue_paused', queue => 'held'), 1, 'paused');
is(of('jobs', queue => 'odd\"\\\\q', status => 'completed'), 1,
   'the name of a queue is escaped');

is(of('webhooks_dead'), 0, 'no webhook is dead');
is(of('webhook_attempts_total', result => 'delivered'), 0, 'nor delivered');
is(of('event_streams'), 0, 'no streams');
is(of('workers'), 1, 'a worker');
is(of('store_size_bytes'), 64 << 30, 'the size of the store');
ok(of('store_used_bytes') > 0, 'what is used of it');
like(of('reader_lag_transactions'), qr/^\d+$/, 'the lag of readers');
ok(of('commit_duration_seconds_count') > 0, 'commits');
is(of('commit_batch_size_count'), of('commit_duration_seconds_count'),
   'each had a batch');
ok(of('commit_batch_size_sum') >= 7, 'of so many events');

ok(poll_until(20, sub { scrape(); of('waiting_requests') == 3 }),
   'those that wait, of all nginx workers')
    or diag(of('waiting_requests'));
close $_ for @waiting;

is($t->request('POST', '/metrics', body => '')->{status}, 405,
   'metrics are only read');
is($t->request('HEAD', '/metrics')->{body}, '', 'HEAD');


# --- a second worker, and the end of both ---------------------------------

$t->spawn('second', $t->{program}, 'worker', '--store', $t->store);
ok(poll_until(20, sub { scrape(); of('workers') == 2 }),
   'a worker on standby is counted');
$t->stop('second');
$t->request('DELETE', $t->job_path($slow));
$t->wait_job($slow);
$t->stop_worker;
ok(poll_until(20, sub { scrape(); of('workers') == 0 }), 'nobody is left');

# over restarts of everything
my %before = %m;
$t->stop_nginx;
$t->start_nginx;
$t->start_worker;
poll_until(20, sub { $t->get('/metrics')->{status} == 200 });
scrape();
is_deeply({ map { $_ => $m{$_} } grep { /_total/ } keys %m },
          { map { $_ => $before{$_} } grep { /_total/ } keys %before },
          'counters survive restarts');
is(of('jobs_finished_total', %default, status => 'canceled'), 1,
   'also the last');
is(of('attempts_total', %default, result => 'canceled'), 1, 'and its attempt');


# --- logs -----------------------------------------------------------------

my $log = slurp("$dir/worker.log");
my ($id) = $t->job_path($failed) =~ m{([^/]+)$};
like($log, qr/^\S+Z info msg="job ended" id=$id queue="default" status=failed error=backend-status attempt=1 http=500 wait_ms=\d+ run_ms=\d+$/m,
     'the worker tells how a job ended');
like($log, qr/ error=backend-unreachable attempt=1 http=502 wait_ms=\d+ run_ms=\d+$/m,
     'and how one that did not reach the backend');
unlike($log, qr/k1|delay=|one=1/, 'without what the client sent');

$log = slurp("$dir/async.log");
like($log, qr/^202 job=$id queue=default attempt=- replay=- state=queued$/m,
     'the access log has the job of a submit');
like($log, qr/^500 job=$id queue=default attempt=1 replay=1 state=processing$/m,
     'and of its replay');

my $late = $t->submit('/late');
$t->wait_job($late);
my ($never) = $t->job_path($late) =~ m{([^/]+)$};
ok(poll_until(20, sub {
    slurp("$dir/worker.log") =~ /^\S+Z info msg="job ended" id=$never queue="late" status=failed error=start-timeout attempt=0 http=0 wait_ms=\d{3,} run_ms=0 reason="it was not started in time"$/m
}), 'and how one did that was not started');

$t->stop_worker;
$late = $t->submit('/late');
($never) = $t->job_path($late) =~ m{([^/]+)$};
select undef, undef, undef, 0.6;
$t->start_worker;
$t->wait_job($late);
ok(poll_until(20, sub {
    slurp("$dir/worker.log") =~ /job ended" id=$never .* error=start-timeout /
}), 'also one that a worker finds so when it would be its turn');


# --- promtool -------------------------------------------------------------

sub promtool {
    my ($what, $file) = @_;
    my $in = $what eq 'metrics' ? "< $file" : $file;
    my $said = `promtool check $what $in 2>&1`;
    is($?, 0, "promtool check $what") or diag($said);
    return $said;
}

is(promtool('metrics', $t->write_file('scrape', $t->get('/metrics')->{body})),
   '', 'and has nothing to add');
like(promtool('rules', AsyncTest::top() . '/conf-examples/prometheus-rules.yml'),
     qr/SUCCESS: \d+ rules found/, 'the rules');

# each metric that the rules and the Grafana dashboard name is there
my %there = map { s/[{ ].*//sr => 1 } keys %m;

for my $file (qw(prometheus-rules.yml grafana.json)) {
    my $text = slurp(AsyncTest::top() . "/conf-examples/$file");
    my @named = $text =~ /\b(nginx_async_[a-z_]+)/g;
    cmp_ok(scalar @named, '>', 5, "$file names metrics");
    is_deeply([grep { !$there{$_} } @named], [], 'which there are');
}

ok(JSON::PP::decode_json(slurp(AsyncTest::top()
                               . '/conf-examples/grafana.json'))->{panels},
   'grafana.json is JSON, and has panels');

$t->done;
done_testing();
