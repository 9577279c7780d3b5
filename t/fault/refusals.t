#!/usr/bin/env perl

# What a store refuses to be used as, with a sentence each: by another schema
# or LMDB, from another PID namespace, as another user, over a network. And
# who owns what, when root was there first.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncPreload;
use AsyncTest;
use Test::More;


my $t = AsyncTest->new($> == 0 ? (user => 'www-data') : (), http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
        location /static { return 200 "here"; }
    }
END
my $db = $t->store . '/db';


# tool and worker say it, and end with 1
sub refuses {
    my ($name, $pattern, %how) = @_;

    for my $command (qw(check worker)) {
        my ($code, $out, $err) = run_program(
            $t, $how{env} || {}, @{ $how{by} || [] }, $t->{program},
            $command, '--store', $t->store);
        is($code, 1, "$name: $command refuses");
        like("$out$err", $pattern, "$name: $command says why");
    }

    return;
}


# and nginx answers 503, and serves what is not ours
sub unavailable {
    my ($name) = @_;
    $t->start_nginx;
    my $answer = $t->request('POST', '/', body => 'b');
    is($answer->{status}, 503, "$name: nginx: 503");
    is($answer->json->{code}, 'store-unavailable', "$name: nginx: as such");
    ok(!exists $answer->json->{outcome}, "$name: nginx: there is no job");
    is($t->get('/static')->{body}, 'here', "$name: nginx: others are served");
    ok($t->stop_nginx, "$name: nginx ends");
    return;
}


sub owners {
    my %owner;
    $owner{ getpwuid((stat $_)[4]) }++ for $db, glob("$db/*"),
                                           $t->store . '/spool';
    return join ' ', sort keys %owner;
}


# --- root was there first -------------------------------------------------

my $user = $> == 0 ? 'www-data' : getpwuid $>;
$t->start_backend;
is(($t->nginx_t)[0], 0, 'nginx -t makes the folders');
my ($code, $said) = $t->command('check');
is($code, 1, 'check finds no store in them');
like($said, qr/no store/, 'and says so');
is(owners(), $user, 'nothing in them belongs to somebody else');

$t->start_nginx->start_worker;
is($t->wait_job($t->submit('/', body => 'b'))->{status}, 'completed',
   'a store that works');
AsyncLoad::check_clean($t, 'as root');
is(owners(), $user, 'all of it belongs to who runs nginx');


# --- another PID namespace ------------------------------------------------

my @namespace = ('unshare', ($> == 0 ? () : '-Ur'), qw(-p -f --mount-proc));

if (system("@namespace true 2>/dev/null") == 0) {
    refuses('another PID namespace', qr/PID namespace/, by => \@namespace);
} else {
    note('no PID namespace can be made here');
}

is($t->wait_job($t->submit('/', body => 'b'))->{status}, 'completed',
   'after it: the store works');


# --- another user ---------------------------------------------------------

if ($> == 0) {
    refuses('another user', qr/belongs to "www-data"/,
            by => [qw(setpriv --reuid nobody --regid nogroup
                      --clear-groups)]);
}

$t->stop_nginx;
$t->stop_worker;


# --- a network ------------------------------------------------------------

my %networks = (NFS => '6969', CIFS => 'ff534d42', SMB => 'fe534d42',
                '9p' => '1021997', FUSE => '65735546');

for my $name (sort keys %networks) {
    refuses($name, qr/must be on a local disk, not on \Q$name\E/,
            env => { LD_PRELOAD => fault_program($t,
                                       'preload_filesystem.so'),
                     FAULT_MAGIC => $networks{$name} });
}


# --- another version ------------------------------------------------------

# returns what it said before
sub say_of_itself {
    my ($what, $number) = @_;
    ($code, my $before, $said) = run_program($t, {}, fault_program($t, 'meta'),
                                        $t->store, $what, $number);
    is($code, 0, "$what $number") or diag($said);
    return $before + 0;
}

my $schema = say_of_itself(schema => 99);
refuses('another schema', qr/schema 99/);
unavailable('another schema');
say_of_itself(schema => $schema);

say_of_itself(lmdb => 1);
refuses('another LMDB', qr/made with LMDB 1\.9/);
unavailable('another LMDB');
say_of_itself(lmdb => 0);

# of a generation that ours cannot even read: the version in both meta pages
sub file_version {
    my ($version) = @_;
    open my $file, '+<:raw', "$db/data.mdb" or die "data.mdb: $!";

    for my $page (0, 4096) {
        seek $file, $page + 20, 0;
        print $file pack 'L', $version;
    }

    close $file or die $!;
    return;
}

file_version(2);
refuses('an unreadable LMDB', qr/LMDB|version/i);
unavailable('an unreadable LMDB');
file_version(1);


# --- nothing of it has done harm ------------------------------------------

$t->start_nginx->start_worker;
is($t->wait_job($t->submit('/', body => 'b'))->{status}, 'completed',
   'as it was: the store works');
AsyncLoad::check_clean($t, 'as it was');
$t->done;
done_testing;
