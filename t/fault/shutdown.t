#!/usr/bin/env perl

# nginx is to end while the disk does not confirm a commit.  Whose client was
# cut off by worker_shutdown_timeout is stored all the same, if the disk comes
# back in time; an nginx that is told to end at once ends with the commit that
# is under way, as one of a single process does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncClient;
use AsyncFault;
use AsyncPreload;
use AsyncStream;
use AsyncTest;
use JSON::PP;
use Test::More;


my $large = 300_000;              # too much for a database: it has a file
my $http  = <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        client_body_buffer_size 8k;

        location /work {
            async on;
            async_wait 0 max=100s;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
            async_wait 0 max=100s;
        }

        location /progress/ {
            async_progress;
        }
    }
END

my ($t, $control);


sub fresh {
    my ($name, %args) = @_;
    $t = AsyncTest->new(name => "shutdown-$name", http => $http, %args);
    $control = AsyncPreload->new($t, 'sync');

    $t->start_backend;
    start_nginx();

    # all that it writes when it begins is written
    $t->submit('/work?key=before');
    return;
}


sub start_nginx { return $control->preloaded(sub { $t->start_nginx }) }


sub backend_has {
    return grep { $_->{target} =~ /sleep/ } $t->backend_log('arrived');
}


# jobs that run, until their worker is lost: [path, path of its reports]
sub running {
    my ($n) = @_;
    my @jobs = map { [$t->job_path($t->submit('/work?sleep=60'))] } 1 .. $n;

    $t->start_worker;
    poll_until(30, sub { backend_has() == $n }) or die 'the jobs do not run';
    $t->kill_worker;

    for my $line (backend_has()) {
        my ($head) = $t->backend_request($line->{n});
        my ($url)  = $head =~ m{^Async-Progress-Url: http://[^/]+(.*?)\r$}m;
        my ($job)  = grep { $_->[0] =~ /\Q$line->{job}\E$/ } @jobs;
        $job->[1] = $url;
    }

    return @jobs;
}


sub submit {
    my ($key, $size, @headers) = @_;
    return AsyncClient->request($t, 'POST', "/work?key=$key",
                                body => 'b' x $size, headers => \@headers);
}


# the disk stands at the commit of the first; these come after it
sub submit_behind {
    my ($n, @sizes) = @_;

    $control->set(every => 1, calls => 0);
    my $first = submit('first', 10);
    poll_until(20, sub { $control->get('calls') }) or die 'no commit';
    my @others = map {
        submit($_, $sizes[$_ % @sizes], $_ % 4 ? (Prefer => 'wait=90') : ())
    } 1 .. $n;

    all_read(scalar grep { $sizes[$_ % @sizes] == $large } 1 .. $n);
    return ($first, @others);
}


# nginx has all that was sent until now, so many large bodies too
sub all_read {
    my ($n) = @_;
    poll_until(20, sub {
        return $n == grep { -s $_ == $large }
                     glob("$t->{root}/client_body_temp/* "
                          . $t->store . '/spool/*');
    }) or die 'bodies are missing';
    $t->get('/jobs/');
    return;
}


sub all_cut {
    my @clients = @_;
    return poll_until(30, sub { !grep { !$_->answered } @clients });
}


sub ended { return !-e "/proc/$_[0]" }

# temporary files that a process has open, for bodies that wait
sub open_bodies {
    my ($pid) = @_;
    return scalar grep { (readlink // '') =~ m{/client_body_temp/} }
           glob "/proc/$pid/fd/*";
}


sub logged {
    my ($pattern) = @_;
    return poll_until(20, sub {
        return slurp("$t->{root}/error.log") =~ $pattern;
    });
}


# the keys of the submits that the store has, but the one of before
sub stored {
    return sort grep { $_ ne 'before' }
           map { $_->{uri} =~ /key=(\w+)/ ? $1 : () } jobs_in_store($t);
}


sub document {
    my ($path) = @_;
    my ($id) = $path =~ m{([^/]+)$};
    return decode_json(($t->command('show', '--json', $id))[1])->{job};
}


sub sound {
    my ($code, $out) = $t->command('check');
    is($code, 0, 'the store is in order') or diag($out);
    $t->done;
    return;
}


# --- time to end, but not much --------------------------------------------

sub cut_off {
    my ($how) = @_;
    fresh($how, main => 'worker_shutdown_timeout 100ms;');

    my @jobs    = running(4);
    my @streams = map { AsyncStream->open($t, "$_->[0]/events") } @jobs;
    my @polls   = map { AsyncClient->get($t, $_->[0],
                                         headers => [Prefer => 'wait=90']) }
                      @jobs;
    $_->next(20) or die 'no event' for @streams;

    my @submits = submit_behind(24, 10, 100_000, $large);
    my @cancels = map { AsyncClient->request($t, 'DELETE', $jobs[$_][0]) }
                      0, 1;
    my @reports = map { AsyncClient->request($t, 'POST', $jobs[$_][1],
                                             body => '{"percentComplete":5}') }
                      2, 3;
    all_read(8);

    # of an attempt that reports already: merged, and answered at once
    my @merged = map { $t->request('POST', $jobs[$_][1],
                                   body => '{"percentComplete":6}') } 2, 3;
    is_deeply([map { $_->{status} } @merged], [204, 204],
              'reports are taken');

    my ($old) = $t->nginx_workers;
    kill $how, $t->pid('nginx');
    ok(all_cut(@submits, @cancels, @reports, @polls), 'all are cut off');
    ok(!ended($old), 'the nginx worker waits for the disk');

    $control->set(every => 0);
    ok(poll_until(20, sub { ended($old) }), 'and ends when that is back');

    if ($how eq 'QUIT') {
        ok($t->wait_end('nginx', 20), 'as nginx does');
        is($?, 0, 'with no error');
        start_nginx();
    }

    is_deeply([stored()], [sort 'first', 1 .. 24], 'all submits are stored');
    is_deeply([map { document($_->[0])->{cancelRequested} } @jobs[0, 1]],
              [JSON::PP::true, JSON::PP::true], 'and what was to be canceled');
    is_deeply([map { document($_->[0])->{percentComplete} } @jobs[2, 3]],
              [6, 6], 'and the reports');
    is_deeply([grep { /not stored|is lost/ }
               split /\n/, slurp("$t->{root}/error.log")], [],
              'nginx says nothing else');
    sound();
    return;
}

subtest "cut off: $_" => \&cut_off, $_ for qw(HUP QUIT);


subtest 'the disk is back too late' => sub {
    fresh('late', main => 'worker_shutdown_timeout 100ms;');

    my @submits = submit_behind(12, 10, 100_000);
    my ($old)   = $t->nginx_workers;
    kill 'QUIT', $t->pid('nginx');
    ok(all_cut(@submits), 'all are cut off');

    # with none to tell, but the temporary files of bodies go
    cmp_ok(open_bodies($old), '>', 0, 'what waits is there');
    ok(poll_until(20, sub { open_bodies($old) == 0 }),
       'what waits is withdrawn');
    ok(!ended($old), 'the nginx worker waits for the disk');

    $control->set(every => 0);
    ok($t->wait_end('nginx', 20), 'nginx ends when that is back');
    is($?, 0, 'with no error');
    is_deeply([stored()], ['first'], 'with what was in the commit');
    start_nginx();
    sound();
};


# --- no time to end -------------------------------------------------------

sub at_once {
    my ($signal, %args) = @_;
    my $old;
    fresh("at-once-$signal" . (%args ? '-single' : ''), %args);

    my @submits = submit_behind(12, 10, 100_000, $large);
    my ($pid)   = ($t->nginx_workers, $t->pid('nginx'));
    kill $signal, $t->pid('nginx');
    ok(logged(qr/$pid#$pid: (?:exiting$|signal .* (?:exiting|shutting down)$)/m),
       'nginx is told to end');
    ok(!ended($pid), 'and waits for the disk');

    $control->set(every => 0);
    ok($t->wait_end('nginx', 20), 'it ends when that is back');
    is($?, 0, 'with no error');

    # the next may have been, too, while a thread with a file ended
    is(scalar(grep { $_ eq 'first' } stored()), 1,
       'with what was in the commit');
    is(scalar(grep { $_ } map { $_->answer } @submits), 0,
       'nobody has an answer');
    start_nginx();
    sound();
    return;
}

subtest 'at once' => \&at_once, 'TERM';

# nginx of a single process does not wait for anybody
my @single = (workers => 0, main => 'master_process off;');
subtest "a single process: $_" => \&at_once, $_, @single for qw(TERM QUIT);

done_testing;
