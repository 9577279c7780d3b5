#!/usr/bin/env perl

# Clients that wait while what they wait at is lost: the feed, the store, the
# nginx worker whose time to shut down is short.  A wait is far longer than
# all of it, so an answer in time was not the end of the wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncClient;
use AsyncTest;
use Test::More;

my @long = (headers => [Prefer => 'wait=100']);

# reuseport: connections are spread over the nginx workers
my $t = AsyncTest->new(workers => 2, main => 'worker_shutdown_timeout 1s;',
                       http => <<'END');
    async_queue many concurrency=50;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;

        location /a {
            async on queue=many;
            async_wait 0 max=100s;
            async_timeout 1m;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
            async_wait 0 max=100s;
        }
    }
END

$t->start_backend->start_nginx;

my $store = $t->store;


sub polls {
    my ($n, $url) = @_;
    return map { AsyncClient->get($t, $url, @long) } 1 .. $n;
}


sub posts { return map { AsyncClient->post($t, '/a', @long) } 1 .. $_[0] }


# how many say this status of HTTP, and this of their job
sub count {
    my ($status, $state, @answers) = @_;
    return scalar grep {
        $_ && $_->{status} == $status
        && (!$state || $_->json->{status} eq $state)
    } @answers;
}


sub still_wait { return !grep { $_->answered } @_ }


sub sound {
    my ($code, $out) = $t->command('check');
    is($code, 0, 'the store is in order') or diag($out);
    return;
}


# the store goes away; another may come in its place
sub swap {
    my ($away, $instead) = @_;
    rename $store, "$store-$away" or die $!;
    rename "$store-$instead", $store or die $! if $instead;
    return;
}


subtest 'the feed is lost' => sub {
    my $url   = $t->submit('/a')->json->{statusUrl};
    my @polls = polls(20, $url);
    my @posts = posts(4);
    my ($pid) = $t->nginx_workers;

    ok(poll_until(20, sub { ($t->command('check', '--json'))[1]
                            =~ /"jobs":5\b/ }), 'the jobs are there');

    # the other one replays them, and has those who wait there told
    kill 'STOP', $pid;
    $t->start_worker;
    ok(poll_until(30, sub { $t->backend_count('executions') == 5 }),
       'they run');
    ok(poll_until(30, sub {
        my $jobs = `$t->{top}/build/store-probe jobs $store`;
        return 5 == (() = $jobs =~ /"completed"/g);
    }), 'and end');
    is(system("$t->{top}/build/store-probe", 'trim', $store), 0,
       'what has happened is no longer in the feed');

    my @sleep = grep { !$_->answered } @polls, @posts;
    cmp_ok(scalar(@sleep), '>', 0, 'some wait at the one that stands still');
    kill 'CONT', $pid;

    is(count(200, 'completed', map { $_->answer } @polls), 20,
       'all who wait for the job are told');
    is(count(200, '', map { $_->answer } @posts), 4, 'and who submitted');
};


subtest 'the time to shut down is short' => sub {
    my $job   = $t->submit('/a?sleep=30', method => 'PUT');
    my $url   = $t->job_path($job);
    my @polls = polls(20, $url);
    my @puts  = map { AsyncClient->request($t, 'PUT', '/a?sleep=30',
                                           body => '', @long) } 1 .. 4;

    ok(poll_until(20, sub { $t->backend_count('running') == 5 }),
       'the jobs run');
    ok(still_wait(@polls, @puts), 'all wait');
    $t->reload;

    is(count(200, 'processing', map { $_->answer } @polls), 20,
       'polls get the job as it is');
    my @answers = map { $_->answer } @puts;
    is(count(202, '', @answers), 4, 'submits get their 202');

    for my $path ($url, map { $t->job_path($_) } @answers) {
        $t->request('DELETE', $path);
        is($t->wait_job($path)->{status}, 'canceled', 'a job is canceled');
    }
};


subtest 'the store goes away, and comes back' => sub {
    ok($t->stop_worker, 'no worker');
    is(system('cp', '-a', $store, "$store-other"), 0, 'a copy for later');

    my $url   = $t->submit('/a')->json->{statusUrl};
    my @polls = polls(10, $url);
    my @posts = posts(4);

    ok(poll_until(20, sub { ($t->command('check', '--json'))[1]
                            =~ /"jobs":15\b/ }), 'the jobs are there');
    swap('away');
    ok(poll_until(20, sub { $t->get($url)->{status} == 503 }),
       'a status cannot be told');
    ok(still_wait(@polls, @posts), 'who waits goes on');

    rename "$store-away", $store or die $!;
    ok(poll_until(20, sub { $t->get($url)->{status} == 200 }), 'it is back');
    ok(still_wait(@polls, @posts), 'who waits goes on');

    $t->start_worker;
    is(count(200, 'completed', map { $_->answer } @polls), 10,
       'and is told of the end');
    is(count(200, '', map { $_->answer } @posts), 4, 'as is who submitted');
    sound();
};


subtest 'another store comes in its place' => sub {
    ok($t->stop_worker, 'no worker');

    my $url   = $t->submit('/a')->json->{statusUrl};
    my @polls = polls(10, $url);
    my @posts = posts(4);

    ok(poll_until(20, sub { ($t->command('check', '--json'))[1]
                            =~ /"jobs":20\b/ }), 'the jobs are there');
    swap('away', 'other');

    my @answers = map { $_->answer } @polls;
    is(count(404, '', @answers), 10, 'there is no such job there');
    is($answers[0]->json->{code}, 'job-not-found', 'says its code');
    @answers = map { $_->answer } @posts;
    is(count(410, '', @answers), 4, 'who submitted is told that it is gone');
    is(scalar(grep { $_->header('Async-Job-Id') } @answers), 4,
       'and which job that was');

    # nginx's own sockets went away with the first one
    ok($t->stop_nginx, 'nginx ends');
    $t->start_nginx;
    $t->start_worker;
    is(($t->submit_and_wait('/a'))[0]{status}, 'completed',
       'the other store is as good');
    sound();
};


$t->done;
done_testing;
