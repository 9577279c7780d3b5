#!/usr/bin/env perl

# The disk is full: now and then, for each k-th write, and for good. A submit
# is accepted and then ends like any, or it is refused and then there is no
# job; when there is room again, all goes on by itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncPreload;
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);


# what is mounted here goes with the test, however that ends
if ($> == 0 && !$ENV{FAULT_MOUNTS} && !system 'unshare -m true 2>/dev/null') {
    $ENV{FAULT_MOUNTS} = 1;
    exec 'unshare', '-m', $^X, $0;
}


my $http = <<'END';
    client_max_body_size 4m;

    server {
        listen 127.0.0.1:%%PORT%%;

        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END


# small and large, both ways: a spool file is made from 256 KB
sub request {
    my ($n) = @_;
    my $size = $n % 7 == 0 ? 300_000 : 20;
    my $got  = $n % 5 == 0 ? '&size=300000' : '';
    return ($n % 2 ? 'POST' : 'PUT', "/?key=$n$got", 'b' x $size);
}


# nginx and its worker under the library
sub start {
    my ($name) = @_;
    my $t = AsyncTest->new(name => $name, http => $http, workers => 2);
    my $control = AsyncPreload->new($t, 'full');

    $t->start_backend;
    $control->preloaded(sub { $t->start_nginx; $t->start_worker });
    is($t->wait_job($t->submit('/', body => 'b'))->{status}, 'completed',
       "$name: a store that works");
    return ($t, $control);
}


# the seconds until a submit is accepted and its job has run
sub back {
    my ($t, $name) = @_;
    my $began = time;
    my $answer;

    ok(poll_until(5, sub {
           $answer = $t->request('POST', '/', body => 'x' x 300_000);
           return $answer && $answer->{status} == 202;
       }), "$name: with room again, submits work within 5 s")
        or return diag($answer ? $answer->{head} . $answer->{body}
                               : 'no answer');
    note(sprintf '%s: accepted again after %.2f s', $name, time - $began);
    is($t->wait_job($answer)->{status}, 'completed', "$name: and run");
    return;
}


# What the answers said is so. Which job belongs to a refused submit cannot
# be asked; but all jobs run in the end, and the backend is told their keys.
sub judge {
    my ($t, $name, @submits) = @_;
    my (%answers, %ends, @open, @odd);

    for my $submit (@submits) {
        my $status = $submit->{status} // $submit->{error};
        $answers{ $submit->{outcome} ? "$status unknown" : $status }++;
        next if $status ne '202';

        my $job = eval { $t->wait_job("/jobs/$submit->{id}", 60) };
        push @open, "$submit->{n}: $@" if !$job;
        last if @open > 3;
        next if !$job;
        my $why = $job->{error} ? $job->{error}{code} : '';
        $ends{"$submit->{method} $job->{status} $why"}++;
        push @odd, "$submit->{n} $submit->{method} $job->{status} $why"
            if $job->{status} ne 'completed'
               && !($submit->{method} eq 'POST' && $why eq 'outcome-unknown');
    }

    note("$name: answers: ", join ', ', map { "$_ $answers{$_}" }
                                            sort keys %answers);
    note("$name: ends: ", join ', ', map { "$_ $ends{$_}" } sort keys %ends);

    is_deeply(\@open, [], "$name: each 202 came to its end");
    is_deeply(\@odd,  [], "$name: and to a right one");
    is_deeply([grep { !/^(?:202|503|503 unknown)$/ } sort keys %answers], [],
              "$name: every other answer was a 503");

    my $ran     = AsyncLoad::executions($t);
    my @refused = grep { ($_->{status} // 0) == 503 && !$_->{outcome} }
                  @submits;
    is_deeply([map { $_->{n} } grep { $ran->{ $_->{n} } } @refused], [],
              "$name: no refused submit has run");
    is_deeply([map { $_->{n} } grep { $_->{method} eq 'POST'
                                      && ($ran->{ $_->{n} } // 0) > 1 }
               @submits], [], "$name: no POST ran twice");
    AsyncLoad::check_clean($t, $name);
    return \%answers;
}


# what a submit is answered once the measure of the disk is a new one
sub refused {
    my ($t, $name) = @_;
    my $answer;

    ok(poll_until(10, sub {
           $answer = $t->request('POST', '/', body => 'b');
           return $answer && $answer->{status} == 503;
       }), "$name: submits are refused");
    is($answer->json->{code}, 'store-full', "$name: as store-full");
    ok(!exists $answer->json->{outcome}, "$name: there is no job");
    like($answer->header('Retry-After'), qr/^[1-9]\d*$/,
         "$name: come again");
    return;
}


# jobs that run when the room goes, small and large ones; their paths
sub running {
    my ($t, $key) = @_;
    my @paths = map {
        $t->job_path($t->submit("/?sleep=1&key=$key$_&size="
                                . ($_ % 2 ? 300_000 : 10), body => 'b',
                                method => $_ % 4 < 2 ? 'POST' : 'PUT'))
    } 1 .. 8;

    poll_until(20, sub {
        8 == grep { $_->{target} =~ /key=$key\d\b/ }
             $t->backend_log('arrived');
    }) or die 'they do not run';
    return @paths;
}


# they have their results; a POST that was done but could not be kept is
# told as such
sub judge_running {
    my ($t, $name, @paths) = @_;
    my @ends = map {
        my $job = $t->wait_job($_);
        $job->{error} ? "$job->{status} $job->{error}{code}" : $job->{status};
    } @paths;

    note("$name: @ends");
    is_deeply([grep { !/^(?:completed|failed outcome-unknown)$/ } @ends], [],
              "$name: jobs that were running have ended");
    is(scalar(grep { $ends[$_] eq 'completed' } 1, 3, 5, 7), 4,
       "$name: those with a small result completed");
    is(scalar(grep { $ends[$_] eq 'completed' } 2, 6), 2,
       "$name: and those that may be run again");
    return;
}


# --- each k-th write ------------------------------------------------------

my ($t, $control) = start('full-disk');

# the settings of the library, until so many writes have failed
sub fail_writes {
    my ($t, $control, $name, $base, $failures, %settings) = @_;
    my $load = AsyncLoad->start($t, connections => 8, pause => 0.01,
        name => "load-$base", request => sub {
            my ($n) = @_;
            my ($method, $target, $body) = request($n);
            $target =~ s/key=\d+/key=@{[ $base + $n ]}/;
            return ($method, $target, $body);
        });

    poll_until(30, sub { $load->answers > 20 }) or die 'no answers';
    my $mark = $load->answers;
    $control->set(calls => 0, failed => 0, %settings);
    ok(poll_until(30, sub {
           $load->answers > $mark + long_run(100, 400)
               && $control->get('failed') >= $failures;
       }), "$name: writes fail, and all are answered");
    note("$name: failed writes: ", $control->get('failed'));
    $control->set(every => 0, part => 0, room => 0);
    back($t, $name);

    return judge($t, $name, map { { %$_, n => $base + $_->{n} } }
                            $load->stop);
}


for my $k (long_run([1, 2, 3, 5, 8, 21, 55], [1 .. 40, 55, 89, 144])->@*) {
    fail_writes($t, $control, "k=$k", $k * 100_000, $k < 10 ? 10 : 3,
                every => $k);
}

# the disk says that it is full, and LMDB says that it had an error
fail_writes($t, $control, 'halfway', 8_000_000, 1,
            every => 1, part => 1, room => 1);


# --- no room at all -------------------------------------------------------

my @paths = running($t, 9_000_000);
$control->set(every => 1, room => 1);
refused($t, 'no room');
is($t->get($paths[0])->{status}, 200, 'no room: a status is told');
$control->set(every => 0, room => 0);
back($t, 'no room');
judge_running($t, 'no room', @paths);
AsyncLoad::check_clean($t, 'no room');
$t->done;


# --- a disk that is full --------------------------------------------------

# only root may mount one; else the library played it above
sub small_disk {
    my ($t) = @_;
    return if $> != 0;
    my $root = $t->root . '/disk';
    mkdir $root or die "$root: $!";
    return if system("mount -t tmpfs -o size=128m,mode=755 none '$root' "
                     . "2>>'@{[ $t->root ]}/mount.log'") != 0;
    $t->{store_path} = "$root/store";
    return $root;
}

$t = AsyncTest->new(name => 'full-disk-real', http => $http, workers => 2,
                    store => 'size=256m');
my $mounted = small_disk($t);
note('no disk can be mounted here: the library stood for one')
    if !$mounted;

if ($mounted) {
    $t->start;
    is($t->wait_job($t->submit('/', body => 'b'))->{status}, 'completed',
       'a small disk: a store that works');
    @paths = running($t, 9_100_000);
    # few enough for the disk: what was accepted must have room to end
    my $load = AsyncLoad->start($t, connections => 4, pause => 0.05,
        count => 600, name => 'load-real', request => sub {
            my ($n) = @_;
            my ($method, $target, $body) = request($n);
            $target =~ s/key=\d+/key=@{[ 9_200_000 + $n ]}/;
            return ($method, $target, $body);
        });

    # the last byte of it: others on the disk, and jobs, take what there is
    system("cat /dev/zero > '$mounted/filler' 2>/dev/null");
    refused($t, 'a full disk');
    unlink "$mounted/filler" or die $!;
    back($t, 'a full disk');
    judge_running($t, 'a full disk', @paths);
    judge($t, 'a full disk', map { { %$_, n => 9_200_000 + $_->{n} } }
                             $load->stop);
    $t->done;
}

done_testing;
