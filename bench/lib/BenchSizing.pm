package BenchSizing;

# What a job takes: room in the store, memory while it runs.  The figures of
# the README's chapter on sizing.

use strict;
use warnings;

use AsyncTest;
use Bench;
use BenchOurs;


sub rows {
    my ($table) = @_;
    room($table);
    memory($table);
    return;
}


sub room {
    my ($table) = @_;

    for (['that waits', '/reports', undef],
         ['that waits, with an owner and a key', '/keyed',
          ['Idempotency-Key', 'X-Owner', '/keyed']],
         ['that has completed', '/run', undef])
    {
        my ($what, $path, $keyed) = @$_;
        my $ours = BenchOurs->new('sizing');
        my $t    = $ours->{t};

        $t->start_worker if $path eq '/run';
        wrk("$ours->{url}$path", connections => 8, script => $keyed
            ? $ours->post_keyed('post.lua', @$keyed) : $ours->post);
        poll_until(300, sub {
            my (undef, $out) = $t->command('jobs', '--status', 'queued',
                                           '--queue', 'running', '--json');
            return $out =~ /"jobs":\s*\[\s*\]/;
        }) or die "jobs do not end\n";
        settle($ours->pids);

        my $bytes = -s $t->store . '/db/data.mdb';
        my @ids   = $ours->ids;
        $table->figure("bytes of a job $what", $bytes / @ids);
        $ours->stop;
    }

    return;
}


# jobs whose backend takes its time
sub memory {
    my ($table) = @_;
    my $jobs    = 256;
    my $ours    = BenchOurs->new('sizing-memory');
    my $t       = $ours->{t};
    my ($nginx) = $t->nginx_workers;

    $t->start_worker;
    my $worker = $t->pid('worker');
    $t->wait_job($ours->submit('/run'));
    my @idle = map { anonymous_of($_) } $nginx, $worker;

    $ours->submit('/slow') for 1 .. $jobs;
    poll_until(60, sub { $ours->{behind}->connections >= $jobs })
        or die "the jobs do not run\n";
    my @busy = map { anonymous_of($_) } $nginx, $worker;

    for my $who (['an nginx worker', 0], ['the worker', 1]) {
        my ($name, $n) = @$who;
        $table->figure("memory of $name, KB", $idle[$n]);
        $table->figure('  for each job that runs',
                       ($busy[$n] - $idle[$n]) / $jobs);
    }

    $t->kill_worker;            # these jobs need not end
    $ours->stop;
    return;
}


1;
