#!/usr/bin/env perl

# File descriptors run out, under load: first in the workers of nginx, then
# in the worker, with limits from what they have open when idle up to ten
# more.  Whatever comes of a submit is documented, nothing is lost, and all
# is back when the limit is lifted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncHistory;
use AsyncLoad;
use AsyncTest;
use Test::More;
use Time::HiRes qw(sleep);


my $while = scale(0.5, 10);       # seconds of a limit
my $large = 300_000;
my $http  = <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        client_max_body_size 1m;
        async_retry 20 backoff=100ms:1s;

        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END


sub request {
    my ($n) = @_;
    my $method = $n % 2 ? 'POST' : 'PUT';
    my $body   = "body of $n\n";

    $body x= int($large / length $body) if $n % 20 < 2;
    return ($method, "/?key=$n&echo=1", $body) if $n % 3 == 0;
    return ($method, "/?key=$n&size=$large", $body) if $n % 20 < 4;
    return ($method, "/?key=$n&sleep=0.1", $body);
}


sub under_limits {
    my ($name, $pids) = @_;
    my $t = AsyncTest->new(name => "descriptors-$name", workers => 2,
                           http => $http);

    # accept4(), open() and socket() of nginx itself
    $t->expect_log('failed \(24: Too many open files\)');
    $t->start;

    # what it opens late, such as the doorbell, is open after a job
    my $warm = $t->wait_job($t->submit('/'));
    my %open = map { $_ => descriptors($_) } $pids->($t);
    note("$name: open when idle: ", join ', ', values %open);

    my ($most) = map { /^Max open files\s+(\d+)/m }
                 map { slurp("/proc/$_/limits") } keys %open;
    my $load = AsyncLoad->start($t, connections => 32, rate => 100,
                                patience => 60, request => \&request);
    my $history = AsyncHistory->new($t, $load, without => $warm->{id});
    poll_until(30, sub { $load->accepted > 50 }) or die 'nothing is accepted';

    for my $more (0 .. 10) {
        limit($_, nofile => $open{$_} + $more) or die 'prlimit'
            for keys %open;
        sleep $while;

        # in between as well, so that each limit meets a full load
        limit($_, nofile => $most) or die 'prlimit' for keys %open;
        my $mark = $t->backend_count('answered');
        ok(poll_until(30, sub {
               $t->backend_count('answered') > $mark + 10;
           }), "$name: jobs go on after a limit of $more more than idle");
        $history->look;
    }

    is_deeply([sort { $a <=> $b } $pids->($t)],
              [sort { $a <=> $b } keys %open],
              "$name: no process has ended");

    my $accepted = $load->accepted;
    ok(poll_until(30, sub { $load->accepted > $accepted + 50 }),
       "$name: submits are accepted as before");
    $load->stop;

    my %status;
    $status{ $_->{status} // $_->{error} }++ for $load->submits;
    note("$name: submits: ",
         join ', ', map { "$_ $status{$_}" } sort keys %status);
    my @odd = grep { !/^(?:202|50[03]|closed|cut)$/ } keys %status;
    is_deeply(\@odd, [], "$name: nothing odd is answered");

    $history->check(name => $name, seconds => 90, ends => \&ends);
    $t->done;
    return;
}


# What could not be sent is sent later, and so is a PUT whose response there
# was no file for.  What came of such a POST is not known; nor of a PUT that
# nginx has cut three times, for want of a file of its own.
sub ends {
    my ($submit, $job) = @_;
    return $job->{status} eq 'completed'
           || $job->{error} eq 'outcome-unknown'
              && $job->{uri} =~ /size|echo/
              && ($job->{method} eq 'POST' || $job->{deaths} >= 2);
}

under_limits('nginx',  sub { $_[0]->nginx_workers });
under_limits('worker', sub { $_[0]->pid('worker') });

done_testing;
