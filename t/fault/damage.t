#!/usr/bin/env perl

# Damaged stores: bits that flip, pages of zeroes, files that end too early,
# before nginx and the worker start and while they run.  The other locations
# of that nginx answer all the time; what is served as a result is the
# backend's, byte for byte, or it is an error; and salvage brings back every
# record that was not damaged.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncHistory;
use AsyncLoad;
use AsyncTest;
use File::Path qw(remove_tree);
use JSON::PP ();
use POSIX qw(SIGTERM);
use Test::More;


my $stores = scale(100, 1000);
my $count  = 240;                  # jobs in each
my $page   = 4096;
my $t      = AsyncTest->new(workers => 2, store => 'size=256m',
                            http => <<'END');
    keepalive_requests 1000000;

    server {
        listen 127.0.0.1:%%PORT%%;
        client_max_body_size 1m;

        location / {
            async on;
            async_retry off;
            proxy_pass http://%%BACKEND%%;
        }

        location /static {
            alias %%ROOT%%/html/static;
        }

        location /proxied {
            proxy_pass http://%%BACKEND%%/?size=10000;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $root     = $t->root;
my $store    = $t->store;
my $template = "$root/template";
seeded();


# --- the template: a store with jobs of all kinds -------------------------

sub request {
    my ($n) = @_;
    my $method = $n % 2 ? 'POST' : 'PUT';
    my $body   = "body of $n\n" x ($n % 16 ? 1 + $n % 40 : 25_000);

    return ($method, "/?key=$n&size=" . $n * 1171 % 400_000, $body)
        if $n % 8 < 2;
    return ($method, "/?key=$n&status=500", $body) if $n % 20 == 2;
    return ($method, "/?key=$n&echo=1", $body) if $n % 8 < 5;
    return ($method, "/?key=$n", $body);
}

sub copy {
    my ($from, $to) = @_;
    remove_tree($to);
    system('cp', '-a', $from, $to) == 0 or die "cp $from $to";
    return;
}

$t->write_file('html/static', "static\n");
$t->start;
my @finished = AsyncLoad->start($t, count => $count, request => \&request)
                        ->finish;
$t->wait_job("/jobs/$_->{id}") for @finished;
$t->stop_worker;
my @waiting = map { $t->job_path($t->submit("/?key=$_", body => 'b')) }
              1001 .. 1010;

# what is right: documents and results, by id
my (%document, %result);
my @ids = map { m{([0-9a-f-]{36})$} } (map { $_->{id} } @finished), @waiting;

my @answers = fetch_all($t, map { "/jobs/$_" } @ids);
$document{ $ids[$_] } = $answers[$_]{body} for 0 .. $#ids;
@answers = fetch_all($t, map { "/jobs/$_->{id}/result" } @finished);
$result{ $finished[$_]{id} } = $answers[$_] for 0 .. $#finished;

is(scalar(grep { defined $_->header('Async-Result') } values %result),
   $count, 'a template with results');
my ($code, $said) = $t->command('check');
is($code, 0, 'which is in order') or diag($said);
note("the template: $said");
$t->stop_nginx;
copy($store, $template);


# --- which jobs a page belongs to -----------------------------------------

# LMDB's leaf pages hold keys, which hold ids; large values have pages of
# their own, which their node names.  Pages of the past count too.
sub owners_of_pages {
    my ($file) = @_;
    my %known  = map { pack('H*', tr/-//dr) => $_ } @ids;
    my $bytes  = slurp($file);
    my @owners;

    for my $at (0 .. length($bytes) / $page - 1) {
        my $this = substr $bytes, $at * $page, $page;
        my ($flags, $lower) = unpack 'x10 v v', $this;
        next if $flags != 0x02 || $lower < 16 || $lower > $page;

        for my $node (unpack 'x16 v' . ($lower - 16) / 2, $this) {
            next if $node + 8 > $page;
            my ($kind, $length) = unpack 'v v', substr $this, $node + 4, 4;
            my $key   = substr $this, $node + 8, $length;
            my $value = substr $this, $node + 8 + $length, 8;

            for my $id (substr($key, 0, 16), $length > 16 ? substr($key, -16)
                                                          : ())
            {
                my $owner = $known{$id} or next;
                $owners[$at]{$owner} = 1;
                $owners[unpack 'Q<', $value]{$owner} = 1 if $kind & 1;
            }
        }
    }

    return @owners;
}

my @owners = owners_of_pages("$template/db/data.mdb");
my $pages  = (-s "$template/db/data.mdb") / $page;
my @spool  = map { s{^\Q$template\E/}{}r } glob "$template/spool/*";
note("$pages pages, ", scalar(grep { $_ } @owners), ' with jobs, ',
     scalar(@spool), ' files');


# --- damage ---------------------------------------------------------------

# a list of [file, offset, what to do]; what to do: bits to turn, bytes to
# write, or undef: the end
sub some_damage {
    my ($kind) = @_;
    my $data = 'db/data.mdb';
    my $file = $spool[rand @spool];

    return map { [$data, int rand $pages * $page, 1 << rand 8] }
           1 .. 1 + rand 60 if $kind eq 'bits';
    return map { [$data, $page * int rand $pages, "\0" x $page] }
           1 .. 1 + rand 20 if $kind eq 'zeroes';
    return [$data, $page * (2 + int rand $pages - 2), undef]
        if $kind eq 'end';
    return [$data, int rand $pages * $page, undef] if $kind eq 'odd end';
    return ([$file, int rand -s "$template/$file", 1 << rand 8],
            [$spool[rand @spool], 4096, undef]) if $kind eq 'spool';
    return map { [$data, $page * int rand $pages,
                  join '', map { chr rand 256 } 1 .. 512] } 1 .. 5;
}

sub apply {
    my ($where, @damage) = @_;

    for my $one (@damage) {
        my ($name, $offset, $what) = @$one;
        my $path = "$where/$name";

        if (!defined $what) {
            truncate $path, $offset or die "$path: $!" if $offset < -s $path;
            next;
        }

        open my $file, '+<:raw', $path or die "$path: $!";
        if ($what =~ /^\d+$/) {
            sysseek $file, $offset, 0;
            sysread $file, my $byte, 1 or next;
            $what = $byte ^ chr $what;
        }
        sysseek $file, $offset, 0;
        syswrite $file, $what if $offset < -s $path;
        close $file;
    }

    return;
}

# jobs that may have lost something
sub hit {
    my (@damage) = @_;
    my %hit;

    for my $one (@damage) {
        my ($name, $offset, $what) = @$one;

        if ($name =~ /([0-9a-f-]{36})/) {
            $hit{$1} = 1;
            next;
        }

        my $first = int $offset / $page;
        my $last  = defined $what ? $first : $pages - 1;
        %hit = (%hit, %{ $owners[$_] || {} }) for $first .. $last;
    }

    return \%hit;
}


# --- what must hold -------------------------------------------------------

my %sum;

# every document and every result is right, or an error
sub no_wrong_byte {
    my ($name) = @_;
    my @wrong;
    my @targets = map { ("/jobs/$_", "/jobs/$_/result") } keys %result;

    while (my @some = splice @targets, 0, 20) {
        my @got = eval { fetch_all($t, @some) };

        for my $i (0 .. $#some) {
            my ($id, $kind) = $some[$i] =~ m{^/jobs/([^/]+)(/result)?};
            my $got   = $got[$i];
            my $right = $kind ? $result{$id}{body} : $document{$id};

            if (!$got) {
                $sum{'answers cut'}++;
            } elsif ($kind && defined $got->header('Async-Result')
                     || !$kind && $got->{status} == 200) {
                $sum{'answers right'}++;
                push @wrong, "$some[$i] $got->{head}"
                    if $got->{body} ne $right
                       || $kind && $got->{status} != $result{$id}{status};
            } else {
                $sum{'answers an error'}++;
                push @wrong, "$some[$i] $got->{head}"
                    if $got->{status} < 400;
            }
        }
    }

    is_deeply(\@wrong, [], "$name: what is served is right, or an error");
    return;
}

sub salvaged {
    my ($name, $from, $hit) = @_;
    my $to = "$root/salvaged";
    remove_tree($to);

    my $out = `$t->{program} --store '$from' salvage --json '$to' 2>$root/salvage.log`;
    my $code = $? >> 8;
    ok($code <= 1 && ($? & 127) == 0, "$name: salvage ends")
        or diag(slurp("$root/salvage.log"));

    local $t->{store_path} = $to;
    my %found = map { $_->{id} => $_ } eval { jobs_in_store($t) };
    my @lost;

    for my $id (grep { !$hit->{$_} } keys %document) {
        my $was = JSON::PP::decode_json($document{$id});
        my $is  = $found{$id};
        $sum{'jobs not hit'}++;
        push @lost, $id if !$is;
        push @lost, "$id was $was->{status}, is $is->{status}"
            if $is && $result{$id} && $is->{status} ne $was->{status};
    }

    $sum{'jobs hit'} += grep { $hit->{$_} } keys %document;
    $sum{'jobs salvaged'} += keys %found;
    is_deeply(\@lost, [], "$name: salvage has each job that was not hit");

    # it may be cut before the first page of any job
    if (!-e "$to/db/data.mdb") {
        like(slurp("$root/salvage.log"), qr/nothing of a store was found/,
             "$name: nothing is there, and it is said");
        return;
    }

    ($code, my $said) = $t->command('check');
    is($code, 0, "$name: its store is in order") or diag($said);
    return;
}

# the results of the salvaged store, served
sub salvaged_results {
    my ($name, $hit) = @_;
    local $t->{store_path} = "$root/salvaged";
    my @ids = grep { !$hit->{$_} } keys %result;
    my @wrong;

    return if !@ids;
    $t->start_nginx;
    my @got = fetch_all($t, map { "/jobs/$_/result" } @ids);
    for my $i (0 .. $#ids) {
        push @wrong, $ids[$i]
            if !$got[$i] || $got[$i]{body} ne $result{ $ids[$i] }{body};
    }
    $t->stop_nginx;
    $sum{'results of salvaged stores'} += @ids;
    is_deeply(\@wrong, [], "$name: each result that was not hit is whole");
    return;
}


# blocks TERM, which it waits for; until then that is its end, as anyone's
sub has_begun {
    my ($pid) = @_;
    my $status = slurp("/proc/$pid/status") // return 1;
    return 1 if $status =~ /^State:\s+Z/m;
    my ($blocked) = $status =~ /^SigBlk:\s*\w*(\w{8})$/m;
    return hex($blocked) & 1 << SIGTERM - 1;
}


# --- one damaged store after the other ------------------------------------

my @kinds = ('bits', 'zeroes', 'end', 'odd end', 'spool', 'noise');

for my $n (1 .. $stores) {
    my $kind    = $kinds[$n % @kinds];
    my $running = int($n / @kinds) % 2;
    my $name    = "$n, $kind" . ($running ? ', while in use' : '');
    my @damage  = some_damage($kind);
    my $hit     = hit(@damage);

    copy($template, $store);
    apply($store, @damage) if !$running;
    $t->start_nginx;
    $t->start_worker;
    my $ask   = AsyncFault->ask($t, '/static', rate => 500);
    my $asks  = AsyncFault->ask($t, '/proxied', rate => 20, name => 'ask2');
    my @nginx = $t->nginx_workers;

    if ($running) {
        poll_until(10, sub { $t->get('/jobs/' . $waiting[0] =~ s{.*/}{}r)
                               ->{status} == 200 });
        apply($store, @damage);
    }

    no_wrong_byte($name);

    # whatever comes of it
    for my $key (2001 .. 2010) {
        my $answer = $t->request('POST', "/?key=$key", body => 'b');
        $sum{ 'submits ' . ($answer ? $answer->{status} : 'cut') }++;
    }
    no_wrong_byte("$name, again");

    for my $client ($ask, $asks) {
        my @answers = $client->stop;
        my @failed  = grep { $_->{status} != 200 } @answers;
        $sum{'answers of other locations'} += @answers;
        is_deeply([map { "$_->{status} $_->{body}" } @failed], [],
                  "$name: other locations answer everything");
    }
    is_deeply([$t->nginx_workers], \@nginx, "$name: no nginx worker died");

    poll_until(30, sub { has_begun($t->pid('worker')) });
    kill 'TERM', $t->pid('worker');
    ok($t->wait_end('worker', 60) && !($? & 127),
       "$name: the worker ends, and not by a signal") or diag("by $?");
    ok($t->stop_nginx, "$name: nginx ends when told");

    # not what nginx and the worker have made of it: that is another store
    copy($template, "$root/damaged");
    apply("$root/damaged", @damage);
    salvaged($name, "$root/damaged", $hit);
    salvaged_results($name, $hit) if $n % 5 == 0;
}

note("$stores stores: ", join ', ', map { "$_ $sum{$_}" } sort keys %sum);
$t->stop_all;
is_deeply([bad_log_lines("$root/error.log")], [],
          'nothing worse than an error in nginx\'s log');
done_testing;
