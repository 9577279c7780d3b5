#!/usr/bin/env perl

# Memory runs out, under load: first in the workers of nginx, then in the
# worker.  The address space is limited to what a process has, and a little
# more.  Submits get an error or a job, no process crashes, and all is back
# when the limit is lifted, at the latest after a restart of the worker.

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


my $while = scale(0.8, 5);        # seconds of a limit
my $large = 200_000;
my @more  = (0, 16, 64, 128, 256, 512, 1024, 2048);      # KB
my $http  = <<'END';
    async_queue default concurrency=32;

    server {
        listen 127.0.0.1:%%PORT%%;
        client_max_body_size 4m;
        client_body_buffer_size 256k;
        proxy_buffers 64 16k;

        location / {
            async on;
            async_retry 20 backoff=100ms:1s;
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

    $body x= int($large / length $body) if $n % 4 < 2;
    return ($method, "/?key=$n&echo=1", $body) if $n % 3 == 0;
    return ($method, "/?key=$n&size=400000", $body) if $n % 10 < 2;
    return ($method, "/?key=$n&sleep=0.1", $body);
}


sub address_space {
    my ($pid) = @_;
    return (slurp("/proc/$pid/status") =~ /^VmSize:\s+(\d+)/m)[0] * 1024;
}


sub under_limits {
    my ($name, $pids) = @_;
    my $t = AsyncTest->new(name => "memory-$name", workers => 2,
                           http => $http);

    # nginx itself takes these for serious
    $t->expect_log('(?:malloc|posix_memalign|mmap|memalign)\(.*failed \(12:');
    $t->expect_log('failed \(12: Cannot allocate memory\)');
    $t->start;

    my $load = AsyncLoad->start($t, connections => 32, rate => 100,
                                request => \&request);
    my $history = AsyncHistory->new($t, $load);
    poll_until(30, sub { $load->accepted > 50 }) or die 'nothing is accepted';

    my @before   = $pids->($t);
    my $restarts = 0;

    for my $more (@more) {
        my @now = $pids->($t);
        limit($_, as => address_space($_) + $more * 1024) or die 'prlimit'
            for @now;
        sleep $while;
        limit($_, as => 'unlimited') for grep { -e "/proc/$_/exe" } @now;

        # a worker may give up: its service manager starts it again
        if ($t->wait_end('worker', 0)) {
            is($? & 127, 0, "$name: the worker gave up in good order")
                or diag(slurp($t->root . '/worker.log') =~ s/.*\n(?=.*\n)//gr);
            $restarts++;
            $t->start_worker;
        }

        my $accepted = $load->accepted;
        my $mark     = $t->backend_count('answered');
        ok(poll_until(30, sub {
               $load->accepted > $accepted + 10
               && $t->backend_count('answered') > $mark + 10;
           }), "$name: all is back after a limit of $more KB more");
        $history->look;
    }

    note("$name: the worker was started again $restarts times");
    is_deeply([$t->nginx_workers], \@before, "$name: no nginx worker died")
        if $name eq 'nginx';

    $load->stop;
    my %status;
    $status{ $_->{status} // $_->{error} }++ for $load->submits;
    note("$name: submits: ",
         join ', ', map { "$_ $status{$_}" } sort keys %status);
    my @odd = grep { !/^(?:202|50[03]|closed|cut)$/ } keys %status;
    is_deeply(\@odd, [], "$name: nothing odd is answered");

    # what was cut, at either end, has an unknown outcome, or runs again
    $history->check(name => $name, seconds => 90, ends => sub {
        my ($submit, $job) = @_;
        return $job->{status} eq 'completed'
               || $job->{error} eq 'outcome-unknown'
                  && ($job->{method} eq 'POST' || $job->{deaths} >= 2);
    });
    $t->done;
    return;
}


under_limits('nginx',  sub { $_[0]->nginx_workers });
under_limits('worker', sub { $_[0]->pid('worker') });

done_testing;
