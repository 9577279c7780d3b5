#!/usr/bin/env perl

# nginx-async salvage: a store that has lost pages and files becomes one that
# nginx and the worker go on with, and what is lost is named.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use JSON::PP ();
use Test::More;


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
my $page    = 4096;


# (exit code, stdout, stderr)
sub run {
    my (@command) = @_;
    my $line = join ' ', map { "'$_'" } $program, @command;
    system("$line >$root/run.out 2>$root/run.err");
    return ($? >> 8, slurp("$root/run.out"), slurp("$root/run.err"));
}


sub result_of {
    my ($id) = @_;
    my $answer = $t->get("/jobs/$id/result");
    return join "\n", $answer->{status}, $answer->{body};
}


# nginx and worker on this store, which takes the place of the last
sub go_on_with {
    my ($new) = @_;
    rename $store, "$root/old" . ++our $n or die "$store: $!";
    rename $new, $store or die "$new: $!";
    $t->start_nginx;
    $t->start_worker;
    return;
}


sub halt {
    ok($t->stop_worker, 'the worker ends');
    ok($t->stop_nginx, 'nginx ends');
    return;
}


$t->start;

# the store is opened when nginx is there already
my $first = poll_until(20, sub {
    my $answer = $t->request('POST', '/reports', body => 'first');
    return $answer && $answer->{status} == 202 ? $answer->json->{id} : undef;
});

my @jobs = map { $t->submit("/reports?key=$_&size=" . ($_ % 5 * 1000),
                            body => "body $_" x ($_ % 7 * 100)) } 1 .. 60;
my ($large) = $t->submit_and_wait('/reports?size=300000',
                                  body => 'y' x 300000);
my @ids = ((map { $_->json->{id} } @jobs), $first);
my %result;

$t->wait_job("/jobs/$_") for @ids;
$result{$_} = result_of($_) for @ids, $large->{id};
halt();

# jobs that wait, with no worker to run them
$t->start_nginx;
my @waiting = map {
    my $n = $_;
    poll_until(20, sub {
        my $answer = $t->request('POST', "/reports?key=9$n",
                                 body => "later $n");
        return $answer->{status} == 202 ? $answer->json->{id} : undef;
    });
} 1 .. 20;
$t->stop_nginx;

# --- a sound store --------------------------------------------------------

my ($code, $out, $err) = run('salvage', "--store=$store", "$root/copy");
is($code, 0, 'a sound store') or diag($err);
is($out, "82 jobs found, 82 whole, 0 now failed, 0 without result; "
         . "0 jobs lost; 0 damaged pages\n", 'all of it is found');
is($err, '', 'nothing is complained of');

($code, $out, $err) = run('check', "--store=$root/copy");
is($code, 0, 'the new store passes the check') or diag("$out$err");
like($out, qr/^82 jobs, /, 'with all jobs');

($code, $out, $err) = run('salvage', "--store=$store", "$root/copy");
is($code, 1, 'a folder that holds a store');
like($err, qr/already|not empty/, 'is refused');
($code, $out, $err) = run('salvage', "--store=$store", "$root/html");
is($code, 0, 'an empty folder is taken');
($code, $out, $err) = run('salvage', "--store=$store", $root);
is($code, 1, 'one with files is not');
like($err, qr/"\Q$root\E" is not empty/, 'it says so');

if ($> == 0) {
    my ($uid, $gid) = (getpwnam 'www-data')[2, 3];
    my @odd = grep { my @s = stat; $s[4] != $uid || $s[5] != $gid }
              glob "$root/copy/{db,spool} $root/copy/{db,spool}/*";
    is("@odd", '', 'the new one belongs to whom the old one belongs');
    is((stat "$root/copy/run")[4], 0, 'but for run/');
}

go_on_with("$root/copy");

is_deeply([grep { result_of($_) ne $result{$_} } @ids, $large->{id}], [],
          'results are what they were, byte for byte');
is_deeply([grep { $t->wait_job("/jobs/$_")->{status} ne 'completed' }
                @waiting], [], 'jobs that waited run');
$result{$_} = result_of($_) for @waiting;
push @ids, @waiting;
halt();

# --- a damaged one --------------------------------------------------------

# every page above the leaves, each leaf that has the record of the first
# job, now or before, and a spooled result
my $data   = slurp("$store/db/data.mdb");
my $pages  = length($data) / $page;
my @branch = grep { unpack('S', substr $data, $_ * $page + 10, 2) == 1 }
             2 .. $pages - 1;
my $record = quotemeta(pack 'H*', $ids[0] =~ tr/-//dr) . 'AJ\x01\x01';
my @leaf   = grep {
    my $bytes = substr $data, $_ * $page, $page;
    unpack('S', substr $bytes, 10, 2) == 2 && $bytes =~ /$record/s;
} 2 .. $pages - 1;

note('pages ' . join(' ', @branch, @leaf) . " of $pages are lost");
ok(@branch && @leaf, 'pages to lose');
substr $data, $_ * $page, $page, "\0" x $page for @branch, @leaf;
open my $db, '+<:raw', "$store/db/data.mdb" or die $!;
print $db $data;
close $db;

truncate "$store/spool/$large->{id}.res", 1000 or die "truncate: $!";

($code, $out, $err) = run('check', "--store=$store");
is($code, 1, 'a check of a damaged store fails');
isnt($err, '', 'and says why');

($code, $out, $err) = run('backup', "--store=$store", "$root/backup.tar");
is($code, 1, 'and a backup');
isnt($err, '', 'says why');
is_deeply([glob "$root/backup.tar*"], [], 'and leaves nothing behind');

($code, $out, $err) = run('--json', 'salvage', "--store=$store",
                          "$root/rescued");
my $figures = JSON::PP::decode_json($out);
note($out, $err);
is($code, 1, 'a damaged store');
ok(!$figures->{complete}, 'is not complete');
ok($figures->{damagedPages} > 0, 'has lost pages');
ok($figures->{jobs} < 82, 'and jobs');
is($figures->{withoutResult}, 1, 'and one result');
like($err, qr/^nginx-async: job \Q$large->{id}\E: its spooled response body: is too short; its result is lost$/m,
     'of a job that is named');

($code, $out, $err) = run('check', "--store=$root/rescued");
is($code, 0, 'what is made of it passes the check') or diag("$out$err");

go_on_with("$root/rescued");

my (@there, @wrong);

for my $id (@ids, $large->{id}) {
    my $answer = $t->get("/jobs/$id");
    next if $answer->{status} != 200;
    push @there, $id;
    my $result = result_of($id);
    push @wrong, $id if $result =~ /^2/ && $result ne $result{$id};
}

is(scalar(@there), $figures->{jobs}, 'as many jobs as it said');
ok(@there >= 20, 'most of them') or diag(scalar @there);
is($t->get("/jobs/$ids[0]")->{status}, 404, 'the first is gone');
is_deeply(\@wrong, [], 'no result is another than it was');
is($t->get("/jobs/$large->{id}/result")->{status}, 410,
   'the one that is lost is gone');

my ($job) = $t->submit_and_wait('/reports?key=1', body => 'x');
is($job->{status}, 'completed', 'and it goes on');

$t->done;

# --- nothing --------------------------------------------------------------

$t->write_file('none/db/data.mdb', '');
($code, $out, $err) = run('salvage', "--store=$root/none", "$root/nothing");
is($code, 1, 'an empty file');
like($err, qr/is empty: there is nothing to salvage/, 'is called empty');
ok(!-e "$root/nothing/db/data.mdb", 'and no store is made of it');

done_testing();
