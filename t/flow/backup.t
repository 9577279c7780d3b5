#!/usr/bin/env perl

# nginx-async backup, of a store that nginx and the worker are using; and a
# store made of it, with which they go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncTest;
use Fcntl qw(LOCK_NB LOCK_SH);
use JSON::PP ();
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(time);


my $t = AsyncTest->new(workers => 2,
                       $> == 0 ? (user => 'www-data') : (),
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
my $file    = "$root/backup.tar";


# starts nginx-async: its pid; what it prints goes to $root/<name>.out, .err
sub begin {
    my ($name, @command) = @_;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$root/$name.out" or die $!;
        open STDERR, '>', "$root/$name.err" or die $!;
        exec { $program } $program, @command
            or POSIX::_exit(127);
    }

    $t->{pids}{$name} = $pid;
    return $pid;
}


# (exit code, stdout, stderr)
sub run {
    my (@command) = @_;
    begin('run', @command);
    $t->wait_end('run', 120) or die "@command does not end";
    return ($? >> 8, slurp("$root/run.out"), slurp("$root/run.err"));
}


# somebody has locked it
sub held {
    my ($path) = @_;
    open my $lock, '<', $path or return;
    return !flock $lock, LOCK_SH | LOCK_NB;
}


sub result_of {
    my ($id) = @_;
    my $answer = $t->get("/jobs/$id/result");
    return join "\n", $answer->{status}, $answer->{body};
}


$t->start;

# --- while it is in use ---------------------------------------------------

# bodies in spool/ besides those in the database
my $accepted = poll_until(20, sub {
    my $answer = $t->request('POST', '/reports?size=300000&key=0',
                             body => 'x' x 300000);
    return $answer && $answer->{status} == 202 ? $answer : undef;
});
my $large = $t->wait_job($accepted);
is($large->{status}, 'completed', 'a job with spooled bodies');

my $load = AsyncLoad->start($t, connections => 8, pause => 0.02,
    request => sub {
        my $size = $_[0] % 10 == 0 ? 'size=300000&' : '';
        return ('POST', "/reports?${size}key=$_[0]", "body $_[0]");
    });

ok(poll_until(60, sub { $load->answers >= 150 }), 'submits come in');

my $before = time;
my ($code, $out, $err) = run('backup', "--store=$store", '--rate', '0',
                             $file);
my $after = time;

is($code, 0, 'a backup meanwhile') or diag($err);
like($out, qr/^\d+ jobs, [1-9]\d* spool files, \d+ bytes in [\d.]+ s: checked, no faults\n\z/,
     'its figures');
is($err, '', 'nothing on stderr');
ok(-f $file, 'the file is there');
is((stat $file)[2] & 07777, 0600, 'for its owner only');
is((stat $file)[4], $>, 'who is the one that asked for it');
is_deeply([glob "$file.*"], [], 'and nothing beside it');

my $answers = $load->answers;
ok(poll_until(60, sub { $load->answers > $answers + 50 }),
   'submits came in all the time');

# --- slowly: it can be stopped, and is alone ------------------------------

begin('slow', 'backup', "--store=$store", '--rate=50k', "$root/slow.tar");
ok(poll_until(20, sub { held("$store/db/backup.lock") }),
   'a slow backup is at work');

($code, $out, $err) = run('backup', "--store=$store", "$root/slow.tar");
is($code, 1, 'another one to the same file fails');
like($err, qr/another backup to "\Q$root\E\/slow.tar" is at work/,
     'and says so');

# it waits for a while
($code, $out, $err) = run('backup', "--store=$store", "$root/other.tar");
is($code, 1, 'another one of the same store fails');
like($err, qr/another backup of the store is at work/, 'and says so');
is_deeply([glob "$root/other.tar*"], [], 'it leaves nothing behind');

ok(!$t->wait_end('slow', 0), 'the slow one goes on');
ok($t->stop('slow', 'TERM', 20), 'until it is stopped');
is($? >> 8, 1, 'which is a failure');
like(slurp("$root/slow.err"), qr/the backup was stopped/, 'and said');
is_deeply([glob "$root/slow.tar*"], [], 'it leaves nothing behind');

# --- a name that is there -------------------------------------------------

my $old = slurp($file);
($code, $out, $err) = run('--json', 'backup', '--rate=0', '--store', $store,
                          "$root/backup.tar");
is($code, 0, 'a backup under the same name');
my $figures = JSON::PP::decode_json($out);
is($figures->{bytes}, -s $file, 'bytes');
is($figures->{faults}, 0, 'faults');
like($figures->{seconds}, qr/^[\d.]+$/, 'seconds');
ok($figures->{jobs} > 150, 'jobs');
ok($figures->{spoolFiles} > 2, 'spoolFiles');
isnt(slurp($file), $old, 'took the place of the old one');

($code, $out, $err) = run('backup', "--store=$store", "$root/no/file");
is($code, 1, 'a folder that is not there');
like($err, qr/cannot write "\Q$root\E\/no\/file.tmp": No such file/,
     'is named');
($code, $out, $err) = run('backup', "--store=$store", "$root/html");
is($code, 1, 'a folder is no name for a file');

($code, $out, $err) = run('backup', "--store=$store", '/dev/full');
is($code, 1, 'nor is a device');
like($err, qr/is there and is not a file/, 'it says so');


# --- what it is worth -----------------------------------------------------

write_old($old);

my @submits  = $load->stop;
my @accepted = grep { ($_->{status} // 0) == 202 } @submits;
my (%finished, %results);

for my $id (map { $_->{id} } @accepted, $large) {
    $finished{$id} = $t->wait_job("/jobs/$id", 60)->{finishedAt};
    $results{$id}  = result_of($id);
}

$t->stop_nginx;
$t->stop_worker;

# the store is lost, and made anew as the README says
rename $store, "$root/lost" or die "$store: $!";
mkdir $store or die "$store: $!";
is(system('tar', '-xf', "$root/first.tar", '-C', $store), 0,
   'tar unpacks it');

($code, $out, $err) = run('check', "--store=$store");
is($code, 0, 'what was unpacked passes the check') or diag("$out$err");

if ($> == 0) {
    my ($uid, $gid) = (getpwnam 'www-data')[2, 3];
    my @odd = grep { my @s = stat; $s[4] != $uid || $s[5] != $gid }
              glob "$store/{db,spool} $store/{db,spool}/*";
    is("@odd", '', 'it belongs to whom it belonged');
}

$t->start_nginx;
$t->start_worker;

# an answer counts if it was there when the backup began
my @sure = grep { $_->{at} < $before } @accepted;
ok(@sure >= 100, scalar(@sure) . ' jobs were there before');

my (@missing, @changed, $same, $ran);

for my $id (map { $_->{id} } @sure, $large) {
    my $job = eval { $t->wait_job("/jobs/$id", 60) };

    if (!$job) {
        push @missing, $id;
    } elsif ($job->{finishedAt} eq $finished{$id}) {
        $same++;
        push @changed, $id if result_of($id) ne $results{$id};
    } else {
        $ran++;
    }
}

is_deeply(\@missing, [], 'each of them is there again, and ends');
is_deeply(\@changed, [], 'results are what they were, byte for byte');
note("$same were finished, ", $ran // 0, ' were not');
ok($same >= 50, 'most were finished');

my ($job) = $t->submit_and_wait('/reports?key=0', body => 'x');
is($job->{status}, 'completed', 'and it goes on');

($code, $out, $err) = run('check', "--store=$store");
is($code, 0, 'with a check that finds nothing') or diag("$out$err");

$t->done;

# --- a store with a fault -------------------------------------------------

my ($body) = glob "$store/spool/*.res";
open my $spooled, '+<', $body or die "$body: $!";
print $spooled '#';
close $spooled;

($code, $out, $err) = run('backup', '--rate=0', "--store=$store",
                          "$root/faulty.tar");
is($code, 1, 'the backup of a store with a fault fails');
like($err, qr/its spooled response body: has another checksum\n.*not kept/s,
     'and says why');
like($out, qr/: 1 fault\n\z/, 'its figures');
is_deeply([glob "$root/faulty.tar*"], [], 'nothing is kept');

($code, $out, $err) = run('backup', '--rate=0', "--store=$store", '--force',
                          "$root/faulty.tar");
is($code, 1, 'with --force too');
ok(-s "$root/faulty.tar", 'but then it is kept');

done_testing();


sub write_old {
    my ($bytes) = @_;
    $t->write_file('first.tar', $bytes);
    return;
}
