#!/usr/bin/env perl

# The command line: what it says of wrong arguments, whom it becomes, and
# what a check finds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use JSON::PP ();
use POSIX qw(setgid setuid);
use Test::More;


# as root: nginx's workers, and so the store, are another user's
my $t = AsyncTest->new($> == 0 ? (user => 'www-data') : (),
                       http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;
        client_max_body_size 1m;

        location /reports {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $root    = $t->root;
my $store   = $t->store;
my $program = $t->{program};


# (exit code, stdout, stderr); as: the name of a user
sub run {
    my %how     = ref $_[0] ? %{ shift() } : ();
    my @command = ($program, @_);
    my $pid     = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$root/stdout" or die $!;
        open STDERR, '>', "$root/stderr" or die $!;

        if (my ($uid, $gid) = $how{as} ? (getpwnam $how{as})[2, 3] : ()) {
            $) = "$gid $gid";
            setgid($gid) && setuid($uid) or die "setuid: $!";
        }

        exec { $command[0] } @command or print STDERR "$program: $!\n";
        POSIX::_exit(127);
    }

    waitpid $pid, 0;
    return ($? >> 8, slurp("$root/stdout"), slurp("$root/stderr"));
}


sub status_of {
    my ($pid, $name) = @_;
    my ($value) = (slurp("/proc/$pid/status") // '') =~ /^$name:[ \t]*(.*)/m;
    return $value;
}


# --- arguments ------------------------------------------------------------

is_deeply([run('--version')], [0, "nginx-async 0.1.0\n", ''], '--version');
is_deeply([run('jobs', '--version')], [0, "nginx-async 0.1.0\n", ''],
          'with a command, too');

my @commands = qw(worker jobs show watch cancel retry delete queues pause
                  resume purge webhooks redeliver schedules stat check backup
                  salvage keygen);

# all that look into a store; where anybody may write
mkdir "$root/open" and chmod 0777, "$root/open" or die $!;

my $id       = '01a2268c-f2a6-7cf7-b8ac-66022c9d547d';
my @on_store = (['check'], ['check', '--json'], ['jobs', '--json'],
                ['show', $id], ['watch', $id], ['cancel', $id],
                ['retry', $id], ['delete', $id], ['queues'], ['stat'],
                ['pause', 'x'], ['resume', 'x'], ['purge', 'x'],
                ['webhooks'], ['webhooks', '--dead'], ['redeliver', $id],
                ['schedules'], ['schedules', 'run', 'x'],
                ['schedules', 'pause', 'x'], ['schedules', 'resume', 'x'],
                ['keygen', '--for', 'x'],
                ['backup', "$root/open/backup.tar"]);

for my $help (['--help'], ['--help', 'check'],
              map { [$_, '--help'] } @commands) {
    my ($code, $out, $err) = run(@$help);
    is($code, 0, "@$help: done");
    like($out, qr/^Usage: nginx-async /, "@$help: on stdout");
    is($err, '', "@$help: and nowhere else");
}

for my $case (
    [[],                                   'no command was given'],
    [['sing'],                             'there is no command "sing"'],
    [['check', 'it'],                      'nothing was expected after'],
    [['jobs', 'it'],                       'nothing was expected after'],
    [['jobs', '--status=done'],            '--status wants queued, sched'],
    [['jobs', '--since=soon'],             '--since wants a time ago'],
    [['jobs', '--since=99999d'],           '--since wants a time ago'],
    [['jobs', '--limit=0'],                '--limit wants a number'],
    [['jobs', '--limit=1000001'],          '--limit wants a number'],
    [['jobs', '--queue='],                 '--queue wants the name'],
    [['show'],                             '"show" wants the ID of a job'],
    [['show', 'a', 'b'],                   'nothing was expected after "a"'],
    [['watch', '--json', 'a'],             '"watch" has no option --json'],
    [['watch'],                            '"watch" wants the ID of a job'],
    [['cancel'],                           '"cancel" wants the ID of a job'],
    [['retry'],                            '"retry" wants the ID of a job'],
    [['delete', '--force', 'a'],           '"delete" has no option --force'],
    [['queues', 'a'],                      'nothing was expected after'],
    [['purge'],                            '"purge" wants the name of a'],
    [['pause', 'a', 'b'],                  'nothing was expected after "a"'],
    [['backup'],                           '"backup" wants the FILE'],
    [['backup', 'a', 'b'],                 'nothing was expected after "a"'],
    [['backup', 'a', '--rate'],            '--rate wants bytes a second'],
    [['backup', 'a', '--rate=fast'],       '--rate wants bytes a second'],
    [['backup', 'a', '--rate=1t'],         '--rate wants bytes a second'],
    [['check', '--rate=1m'],               '"check" has no option --rate'],
    [['salvage', '--force', 'a'],          '"salvage" has no option --force'],
    [['salvage'],                          '"salvage" wants the DIR'],
    [['salvage', '--', '-a', '--json'],    'nothing was expected after "-a"'],
    [['check', '--fast'],                  'no option "--fast"'],
    [['-v'],                               'no option "-v"'],
    [['check', '--grace', '1s'],           '"check" has no option --grace'],
    [['--json', 'worker'],                 '"worker" has no option --json'],
    [['check', '--json=yes'],              '--json takes no value'],
    [['check', '--store'],                 '--store wants a folder'],
    [['check', '--store='],                '--store wants a folder'],
    [['worker', '--concurrency', '0'],     '--concurrency wants a number'],
    [['worker', '--concurrency=1x'],       '--concurrency wants a number'],
    [['worker', '--concurrency=10001'],    '--concurrency wants a number'],
    [['worker', '--grace', 'soon'],        '--grace wants a time'],
    [['worker', '--grace', '1s1m'],        '--grace wants a time'],
    [['worker', '--grace=-1s'],            '--grace wants a time'],
    [['worker', '--log-level', 'loud'],    '--log-level wants error, warn'],
) {
    my ($args, $words) = @$case;
    my ($code, $out, $err) = run(@$args);

    is($code, 2, "nginx-async @$args: usage");
    like($err, qr/^nginx-async: [^\n]*\Q$words\E[^\n]*\n\z/,
         'and why, in one line');
    is($out, '', 'nothing on stdout');
}

{
    my ($code, $out, $err) = run('check', '--store', $store);
    is($code, 1, 'check without a store fails');
    is($err, qq(nginx-async: there is no store in "$store" yet\n),
       'and says so');

    local $ENV{NGINX_ASYNC_STORE} = "$root/other";
    ($code, $out, $err) = run('check');
    like($err, qr{no store in "\Q$root\E/other"}, 'NGINX_ASYNC_STORE counts');
    ($code, $out, $err) = run("--store=$store", 'check');
    like($err, qr{no store in "\Q$store\E"}, '--store counts more');
}

# what is there is no store: a file, a folder, a database that is none
for my $case (
    ['html',   sub { },                                'no store in'],
    ['file',   sub { $t->write_file('file', 'x') },    'Not a directory'],
    ['junk',   sub { $t->write_file('junk/db/data.mdb', 'x' x 20_000) },
               'not an LMDB file'],
    ['hollow', sub { $t->write_file('hollow/db/data.mdb', '') },
               'no store in'],
) {
    my ($name, $make, $words) = @$case;
    $make->();

    for my $command (@on_store) {
        my ($code, $out, $err) = run(@$command, "--store=$root/$name");
        is($code, 1, "@$command of $name fails");
        like($err, qr/\Q$words\E/, 'and says why');
        is($out, '', 'nothing on stdout');
    }
}

is_deeply([glob "$root/open/*"], [], 'no backup is left');


# --- a worker before its store --------------------------------------------

$t->start_worker('--grace=1s');
ok(poll_until(10, sub { (slurp("$root/worker.log") // '') =~ /waiting for/ }),
   'a worker waits for the store');
ok($t->stop_worker, 'it ends when told');
is($?, 0, 'with exit status 0');

$t->start_worker;
$t->start_backend;
$t->start_nginx;

my $accepted = poll_until(20, sub {
    my $answer = $t->request('POST', '/reports?size=300000',
                             body => 'x' x 300000);
    return $answer && $answer->{status} == 202 ? $answer : undef;
});
my $job = $t->wait_job($accepted);
is($job->{status}, 'completed', 'it finds the store and runs a job');

if ($> == 0) {
    my ($uid, $gid) = (getpwnam 'www-data')[2, 3];
    my $pid = $t->pid('worker');

    is(status_of($pid, 'Uid'), join("\t", ($uid) x 4), 'as the owner');
    is(status_of($pid, 'Gid'), join("\t", ($gid) x 4), 'and its group');
    like(status_of($pid, 'Groups'), qr/^\s*$/, 'and no other');

    my ($code, $out, $err) =
        run('worker', '--store', $store, '--user', 'nobody');
    is($code, 1, 'a worker does not become somebody else');
    like($err, qr/belongs to "www-data", not to "nobody"/, 'and says so');

    for my $command (@on_store) {
        ($code, $out, $err) = run({ as => 'nobody' }, @$command, '--store',
                                  $store);
        is($code, 1, "nobody else can @$command");
        like($err, qr/belongs to "www-data"; start as that user, or as root/,
             'and is told who can');
        is($out, '', 'nothing on stdout');
    }

    ($code, $out, $err) = run({ as => 'www-data' }, 'check', '--store',
                              $store);
    is($code, 0, 'the owner can');

    my @mine = grep { -e && (stat)[4] == 0 } glob "$store/{db,spool}/*";
    is("@mine", '', 'nothing in db/ and spool/ is of root');
}


# --- check ----------------------------------------------------------------

my ($code, $out, $err) = run('check', '--store', $store);
is($code, 0, 'a check of a sound store');
like($out, qr/^1 job, \d+ records, 1 spool file: no faults\n\z/, 'figures');
is($err, '', 'nothing on stderr');

my ($body) = glob "$store/spool/*.res";
open my $spooled, '>>', $body or die "$body: $!";
print $spooled 'x';
close $spooled;

($code, $out, $err) = run('--json', 'check', "--store=$store");
my $figures = JSON::PP::decode_json($out);
is($code, 1, 'a check that finds a fault fails');
is($figures->{faults}, 1, 'faults');
is($figures->{jobs}, 1, 'jobs');
is($figures->{spoolFiles}, 1, 'spoolFiles');
is($figures->{orphans}, 0, 'orphans');
is($err, "nginx-async: job $job->{id}: its spooled response body: is too "
         . "long\n", 'the fault is told');

$t->done;
done_testing();
