package BenchStreams;

# Event streams, each on a job of its own, at one nginx worker: how long after
# the commit the client has an event, and what a stream takes of memory;
# beside Nchan, a channel for each, how long after the POST.

use strict;
use warnings;

use Bench;
use IPC::Open2 qw(open2);
use AsyncTest;

my $nchan = '/usr/lib/nginx/modules/ngx_nchan_module.so';


sub rows {
    my ($table, $rounds) = @_;
    my $count = quick() ? 1000 : 5000;

    my %of = in_turn($rounds, {
        ours  => sub { ours($count) },
        nchan => sub { theirs($count) },
    });

    my $streams = "$count event streams";
    $table->pair("$streams: to the client, ms, p50", 'Nchan', \%of, 'ours',
                 'nchan', 'p50');
    $table->pair("$streams: p99", 'Nchan', \%of, 'ours', 'nchan', 'p99',
                 most => 1);
    $table->pair("$streams: memory of one, KB", 'Nchan', \%of, 'ours',
                 'nchan', 'memory', most => 1);
    $table->fact('  p50 within 0.5 ms of the commit',
                 $of{ours}{p50}{median} <= 0.5);
    $table->fact('  none was lost', $of{ours}{lost}{max} == 0);
    return;
}


sub ours {
    my ($count) = @_;
    my $t = AsyncTest->new(name => 'bench-streams', connections => 3 * $count,
                           main => 'worker_rlimit_nofile 20000;',
                           http => <<'END');
    access_log off;
    async_queue running concurrency=100000 max_queued=100000;

    server {
        listen 127.0.0.1:%%PORT%% backlog=4096;
        location /a     { async on queue=running; return 200; }
        location /jobs/ { async_status; }
    }
END
    return measure($t, $count, 'store', $t->store);
}


sub theirs {
    my ($count) = @_;
    my $t = AsyncTest->new(name => 'bench-nchan', connections => 3 * $count,
                           store => undef,
                           main => 'worker_rlimit_nofile 20000; '
                                   . "load_module $nchan;",
                           http => <<'END');
    access_log off;
    nchan_shared_memory_size 256m;
    keepalive_requests 1000000;

    server {
        listen 127.0.0.1:%%PORT%% backlog=4096;
        location ~ /sub/(\d+)$ { nchan_subscriber eventsource;
                                 nchan_channel_id $1; }
        location ~ /pub/(\d+)$ { nchan_publisher; nchan_channel_id $1; }
    }
END
    return measure($t, $count, 'post');
}


sub measure {
    my ($t, $count, @how) = @_;
    my $top    = AsyncTest::top();
    my $rate   = 200;
    my $events = $rate * seconds();

    $t->start_nginx;
    my ($nginx) = $t->nginx_workers;
    my $pid = open2(my $out, my $in, "$top/build/bench/streams", $t->port,
                    $count, $events, $rate, @how);

    $in->autoflush(1);
    <$out> // die "bench/streams says nothing\n";
    settle($nginx);
    my $empty = anonymous_of($nginx);
    print $in "\n";
    <$out> // die "bench/streams does not open its streams\n";
    settle($nginx);
    my $full = anonymous_of($nginx);
    print $in "\n";

    my %figures = map { /^(\w+) ([\d.]+)$/ ? ($1 => $2) : () } <$out>;
    waitpid $pid, 0;
    die "bench/streams: exit status $?\n" if $?;
    $t->stop_all;

    return { %figures, memory => ($full - $empty) / $count };
}


1;
