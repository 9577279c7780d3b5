#!/usr/bin/env perl

# The command line on jobs and queues: what each command prints, does and
# ends with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use JSON::PP ();
use Test::More;

my $t = AsyncTest->new(store => 'key=%%ROOT%%/key', http => <<'END');
    async_queue held paused;

    server {
        listen 127.0.0.1:%%PORT%%;
        async_retry off;

        location /a    { async on; proxy_pass http://%%BACKEND%%; }
        location /held { async on queue=held; async_delay $arg_delay;
                         proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END

$t->write_file('key', ('0123456789abcdef' x 4) . "\n");
$t->start;

my $none = '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11';


sub id_of { return $t->job_path($_[0]) =~ s{.*/}{}r }

# what it printed, if it ended with that status
sub said {
    my ($status, @command) = @_;
    my ($code, $out) = $t->command(@command);
    is($code, $status, "nginx-async @command: exit status $status")
        or diag($out);
    return $out;
}

sub json_of { return JSON::PP::decode_json(said(0, @_, '--json')) }

sub jobs_of { return map { $_->{id} } @{ json_of('jobs', @_)->{jobs} } }


# --- jobs -----------------------------------------------------------------

is(said(0, 'jobs'), "ID  STATUS  QUEUE  AGE  REQUEST\n",
   'no jobs: only heads');
is_deeply(json_of('jobs'), { jobs => [], more => JSON::PP::false },
          'and in JSON none');

# one that carries what a terminal must not see, and what nobody may
my $failed = id_of($t->submit("/a?status=500&x=\x9b31m", body => 'x',
    headers => ['Authorization' => 'Basic c2VjcmV0LXdvcmQ=',
                'Cookie' => 'sid=secret-word', 'X-API-Key' => 'secret-word',
                'X-Plain' => "plain-word\e[31m"]));
$t->wait_job("/jobs/$failed");
my $done = id_of($t->submit('/a?size=300000&header=Set-Cookie:secret-word',
                            body => 'y' x 300000));
$t->wait_job("/jobs/$done");

my $held    = id_of($t->submit('/held'));
my $later   = id_of($t->submit('/held?delay=1h'));
my $running = id_of($t->submit('/a?sleep=60'));
poll_until(20, sub { json_of('show', $running)->{job}{status} eq 'processing' });

my $table = said(0, 'jobs');
my @lines = split /\n/, $table;
is(scalar @lines, 6, 'a line for each job, and the heads');
like($table, qr/^$running  processing +default +\d+s  POST \/a\?sleep=60$/m,
     'how it stands, and what it is');
like($lines[5], qr/^$failed  failed .* POST \/a\?status=500&x=\?31m$/,
     'the oldest last, without bytes that a terminal would obey');

# those of one millisecond have no order but their ids
my @newest = reverse sort $running, $later, $held, $done, $failed;
is_deeply([jobs_of()], \@newest, 'JSON');
is_deeply([jobs_of('--status=failed')], [$failed], '--status');
is_deeply([jobs_of('--queue', 'held')], [reverse sort $later, $held],
          '--queue');
is(($t->command('jobs', '--queue', 'nope'))[0], 3, 'no such queue');
is_deeply([jobs_of('--queue=held', '--status=scheduled')], [$later], 'both');
is_deeply([jobs_of('--since', '1h', '--limit', 2)], [@newest[0, 1]],
          '--since, --limit');
is_deeply([jobs_of('--since=2999-01-01T00:00:00Z')], [], 'a future --since');
ok(json_of('jobs', '--limit=2')->{more}, 'JSON says that there are more');

# a terminal of 70 columns, of which no line is longer
my $wide = `script -qec 'stty cols 70; $t->{program} --store @{[$t->store]} jobs' /dev/null </dev/null`;
$wide =~ tr/\r//d;
my @wide = split /\n/, $wide;
is(scalar @wide, 6, 'a terminal gets the same lines');
utf8::decode($_) for @wide;
is_deeply([grep { length > 70 } @wide], [], 'which are cut to fit');


# --- show -----------------------------------------------------------------

my $text = said(0, 'show', $failed);
unlike($text, qr/secret-word|c2Vjc/, 'credentials are left out');
like($text, qr/^  Authorization: \(left out\)$/m, 'and said to be');
unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f]/, 'and control characters');
like($text, qr/^  X-Plain: plain-word\?\[31m$/m, 'other headers are there');
like($text, qr/^Status +failed, backend-status$/m, 'the error');
like($text, qr/^Request +body of 1 bytes in the database, encrypted with key/m,
     'the request');
like($text, qr/^Response .*\n  500\n/m, 'the response');
like($text, qr/^History\n  \S+Z  submitted +client\n/m, 'the history');

my $shown = json_of('show', $done);
is($shown->{job}{status}, 'completed', 'show --json: the job');
is($shown->{job}{method}, 'POST', 'its method');
ok(!$shown->{request}, 'a request that is gone is not told of');
is($shown->{response}{body}, 'spool', 'the response');
is($shown->{response}{bodyBytes}, 300000, 'and its length');
my %headers = map { $_->{name} => $_->{value} } @{ $shown->{response}{headers} };
is($headers{'Set-Cookie'}, '(left out)', 'a cookie is left out');
is($shown->{history}[-1]{event}, 'completed', 'and the history');

# without its key
rename $t->root . '/key', $t->root . '/key.away' or die $!;
like(said(0, 'show', $failed), qr/its head cannot be read: no-key/,
     'without the key the rest is shown');
rename $t->root . '/key.away', $t->root . '/key' or die $!;


# --- watch ----------------------------------------------------------------

said(0, 'watch', $done);
like(said(1, 'watch', $failed), qr/^failed \(backend-status\)\n\z/,
     'off a terminal: words');

my $bar = `script -qec '$t->{program} --store @{[$t->store]} watch $done' /dev/null </dev/null`;
like($bar, qr/\r\[#{30}\] +100 % completed/, 'on a terminal: a bar');

my $watch = $t->root . '/watch';
my $pid = fork // die "fork: $!";
exec "$t->{program} --store @{[$t->store]} watch $running > $watch 2>&1"
    if !$pid;
ok(poll_until(20, sub { (slurp($watch) // '') =~ /^processing/ }),
   'what runs is watched');


# --- cancel ---------------------------------------------------------------

# a worker that is quick has done it before it is looked at
kill 'STOP', $t->pid('worker');
is(said(0, 'cancel', $running), "$running is to be canceled\n", 'it runs');
kill 'CONT', $t->pid('worker');
waitpid $pid, 0;
is($? >> 8, 4, 'watch ends with 4 when it is canceled');
like(slurp($watch), qr/\ncanceled\n\z/, 'and says so');
is(said(0, 'cancel', $running), "$running canceled\n", 'once more');
like(said(1, 'cancel', $done, $held),
     qr/^\Qnginx-async: job $done has ended: there is nothing to cancel\E\n$held canceled\n/m,
     'the others are canceled all the same');
like($t->get("/jobs/$held/history")->{body}, qr/"by":"cli:[^"]+"/,
     'the history names who did it');


# --- retry ----------------------------------------------------------------

my ($as) = said(0, 'retry', $failed) =~ /^$failed retried as (\S+)\n\z/;
my $again = $t->wait_job("/jobs/$as");
is($again->{status}, 'failed', 'it runs again, and fails again');
is($again->{retryOf}, $failed, 'and names the other');
is($t->get("/jobs/$failed")->json->{retriedAs}, $as, 'which names it');
like($t->get("/jobs/$failed/history")->{body}, qr/"event":"retried"/,
     'and has it in its history');

# its event stream has ended, and has no event more
my $stream = $t->get("/jobs/$failed/events?last_event_id=1")->{body};
my @events = $stream =~ /^event: (\w+)\nid: (\d+)$/mg;
is_deeply([@events[0, 2]], ['processing', 'failed'], 'events of the other');
is(scalar @events, 4, 'and none of the retry');
is($t->get("/jobs/$failed/events?last_event_id=$events[3]")->{status}, 204,
   'after its end there is nothing');
like(said(1, 'retry', $failed), qr/was retried before, as $as/, 'once');
like(said(1, 'retry', $done), qr/has not failed/, 'what failed, only');


# --- delete ---------------------------------------------------------------

like(said(1, 'delete', $later), qr/has not ended: cancel it first/,
     'what has not ended stays');
is(said(0, 'delete', $failed, $done), "$failed deleted\n$done deleted\n",
   'the others go');
is($t->get("/jobs/$done")->{status}, 404, 'they are gone');
said(3, 'delete', $done);


# --- no such job, no job --------------------------------------------------

for my $command (qw(show watch cancel retry delete)) {
    for my $arg ($none, 'x', "\e[31m") {
        my $out = said(3, $command, $arg);
        like($out, qr/^nginx-async: there is no job [ -~]*\n\z/,
             'and says so, harmlessly');
    }
}


# --- queues ---------------------------------------------------------------

my ($head, @queues) = split /\n/, said(0, 'queues');
like($head, qr/^QUEUE +STATE +WAITING +RUNNING +OLDEST +PER MIN +P50 +P95$/,
     'queues');
like($queues[0], qr{^default +active +0/100000 +0/8 +- +[\d.]+ +[\d.]+s}, 'default');
like($queues[1], qr{^held +paused +1/100000 +0/8 +- +[\d.]+ +- +-$}, 'held');

my ($default, $other) = @{ json_of('queues')->{queues} };
is($other->{name}, 'held', 'JSON: the name');
ok($other->{paused}, 'the state');
is($other->{jobs}{scheduled}, 1, 'jobs by state');
is($default->{jobs}{failed}, 1, 'those that have ended, too');
ok($default->{p95Seconds} >= $default->{p50Seconds}, 'percentiles');

said(0, 'resume', 'held');
said(0, 'pause', 'held');
said(3, $_, 'none') for qw(pause resume purge);
is(said(0, 'purge', 'held'), "1 job canceled\n", 'purge');
is(said(0, 'purge', 'held'), "0 jobs canceled\n", 'once more');
is($t->get("/jobs/$later")->json->{status}, 'canceled', 'it is canceled');

# --- the store ------------------------------------------------------------

my $stat = said(0, 'stat');
like($stat, qr/^size +[\d.]+K database \+ [\d.]+K? spool of 64\.0G \([\d.]+ %\)$/m,
     'stat: the size');
like($stat, qr/^jobs +4\n  failed +1\n  canceled +3$/m, 'jobs by status');
like($stat, qr/^used by +1 nginx workers, 1 worker, 0 standing by$/m, 'who');

$stat = json_of('stat');
is($stat->{jobs}{canceled}, 3, 'JSON: jobs');
is($stat->{workers}, 1, 'workers');
cmp_ok($stat->{commits}, '>', 10, 'commits');
is($stat->{store}, $t->store, 'where it is');

is(json_of('check')->{faults}, 0, 'the store is sound');


# --- completion -----------------------------------------------------------

sub completed {
    my @words = map { s/'/'\\''/gr } 'nginx-async', @_;
    my $top   = AsyncTest::top();
    my $line  = join ' ', map { "'$_'" } @words;
    local $ENV{PATH} = "$top/build:$ENV{PATH}";
    local $ENV{NGINX_ASYNC_STORE} = $t->store;
    return `bash -c 'source $top/src/tool/nginx-async.bash
        COMP_WORDS=("\$@"); COMP_CWORD=\$((\$# - 1))
        _nginx_async; echo "\${COMPREPLY[*]}"' - $line 2>&1`;
}

is(completed('re'), "retry redeliver resume\n", 'completion: commands');
is(completed('jobs', '--st'), "--status --store\n", 'options');
is(completed('jobs', '--status', 'fa'), "failed\n", 'values');
is(completed('pause', ''), "default held\n", 'queues');
is(completed('show', substr $as, 0, 30), "$as\n", 'jobs');


# --- a store that is damaged ----------------------------------------------

$t->stop_nginx;
$t->stop_worker;

open my $file, '+<', $t->store . '/db/data.mdb' or die $!;
seek $file, 2 * 4096, 0;
print $file "\xa5" x ((-s $file) - 2 * 4096);
close $file;

for my $command (['jobs'], ['jobs', '--status=failed'], ['show', $as],
                 ['watch', $as], ['cancel', $as], ['retry', $as],
                 ['delete', $as], ['queues'], ['pause', 'held'], ['stat'],
                 ['purge', 'held']) {
    like(said(1, @$command), qr/^nginx-async: /, 'and says why');
}

$t->done;
done_testing();
