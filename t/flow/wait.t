#!/usr/bin/env perl

# Clients that wait, while nginx workers are several, come, go and die; over
# HTTP/2; with the doorbell lost.  A wait is far longer than the job, so an
# answer that tells its end in time was not the end of the wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncClient;
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);

my $wait = 100;
my @long = (headers => [Prefer => "wait=$wait"]);

# reuseport: connections are spread over the nginx workers
my %conf = (http => <<'END');
    log_format pids '$pid $request_method $status';

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        listen 127.0.0.1:%%PORT_TLS%% ssl http2;
        ssl_certificate     %%ROOT%%/cert.pem;
        ssl_certificate_key %%ROOT%%/key.pem;
        access_log pids.log pids;

        location /a {
            async on;
            async_wait 0 max=100s;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
            async_wait 0 max=100s;
        }
    }
END


sub begin {
    my ($workers) = @_;
    my $t = AsyncTest->new(%conf, workers => $workers, name => "wait-$workers");
    return $t->make_certificate('localhost')->start;
}


sub polls {
    my ($t, $n, $url) = @_;
    return map { AsyncClient->get($t, $url, @long) } 1 .. $n;
}


# the documents of polls: how many say this status
sub count {
    my ($status, @answers) = @_;
    return scalar grep { $_ && $_->{status} == 200
                         && $_->json->{status} eq $status } @answers;
}


sub still_wait { return !grep { $_->answered } @_ }


sub runs {
    my ($t, $n) = @_;
    return poll_until(20, sub { $t->backend_count('running') == $n });
}


for my $workers (2, 4) {
    my $t     = begin($workers);
    my $start = time;
    my $url   = $t->submit('/a?sleep=2')->json->{statusUrl};
    my @polls = polls($t, 24, $url);
    my @posts = map { AsyncClient->post($t, '/a?sleep=1&size=100', @long) }
                1 .. 8;

    is(count('completed', map { $_->answer } @polls), 24,
       "$workers nginx workers: all who wait for a job are told");
    is(scalar(grep { $_ && $_->header('Async-Result')
                     && $_->{body} eq pattern(100) }
              map { $_->answer } @posts), 8,
       "$workers nginx workers: and all who submitted and wait");
    cmp_ok(time - $start, '<', $wait - 20, "$workers nginx workers: in time");

    my %pids = map { /^(\d+) GET 200$/ ? ($1 => 1) : () }
               split /\n/, slurp($t->root . '/pids.log');
    cmp_ok(scalar(keys %pids), '>', 1,
           "$workers nginx workers: more than one of them was waited at");
    $t->done;
}


my $t = begin(2);

subtest 'a reload ends all waits in good order' => sub {
    my $url   = $t->submit('/a?sleep=20')->json->{statusUrl};
    my @polls = polls($t, 20, $url);
    my @posts = map { AsyncClient->post($t, '/a?sleep=20', @long) } 1 .. 4;

    ok(runs($t, 5), 'the jobs run');
    ok(still_wait(@polls, @posts), 'all wait');

    my $start = time;
    $t->reload;

    my @answers = map { $_->answer } @polls;
    is(count('processing', @answers), 20, 'polls get the job as it is');
    is(scalar(grep { $_ && $_->header('Retry-After') } @answers), 20,
       'with Retry-After');
    @answers = map { $_->answer } @posts;
    is(scalar(grep { $_ && $_->{status} == 202 && $_->header('Location') }
              @answers), 4, 'submits get their 202');
    cmp_ok(time - $start, '<', $wait - 20, 'long before their time was up');

    my $again = AsyncClient->get($t, $url, @long)->answer;
    is($again && $again->json->{status}, 'completed',
       'and may wait again, at the next nginx worker');
};


subtest 'nginx quits' => sub {
    my $url   = $t->submit('/a?sleep=3')->json->{statusUrl};
    my @polls = polls($t, 10, $url);

    ok(runs($t, 1), 'the job runs');
    ok(still_wait(@polls), 'all wait');
    ok($t->stop_nginx, 'nginx ends');
    is(count('processing', map { $_->answer } @polls), 10,
       'those who waited were answered');
    my @doors = glob $t->store . '/db/bell-*.sock';
    is(scalar(@doors), 1, 'and no doorbell is left but that of the worker');
    $t->start_nginx;
};


subtest 'an nginx worker is killed' => sub {
    # one that runs again, should it be that worker which replays it
    my $url   = $t->submit('/a?sleep=3', method => 'PUT')->json->{statusUrl};
    my @polls = polls($t, 20, $url);

    ok(runs($t, 1), 'the job runs');
    ok(still_wait(@polls), 'all wait');

    my $pid = $t->kill_nginx_worker;
    $t->expect_log("worker process $pid exited on signal 9");

    ok(poll_until(20, sub {
        my @now = grep { $_ != $pid } $t->nginx_workers;
        return @now == 2;
    }), 'there is another');

    # those of the dead one are cut off, and come again
    my (@cut, @told);
    for my $poll (@polls) {
        my $answer = $poll->answer;
        push @{ $answer ? \@told : \@cut }, $answer;
    }
    note(scalar(@cut) . ' were cut');
    is(count('completed', @told), scalar(@told), 'the others are told');

    my @again = map { $_->answer } polls($t, scalar(@cut) || 1, $url);
    is(count('completed', @again), scalar(@again), 'who comes again, too');
};


subtest 'the worker is killed, and comes back' => sub {
    my $url   = $t->submit('/a?sleep=2', method => 'PUT')->json->{statusUrl};
    my @polls = polls($t, 10, $url);
    my $post  = AsyncClient->request($t, 'PUT', '/a?sleep=2', body => 'x',
                                     @long);
    my $start = time;

    ok(runs($t, 2), 'two jobs run');
    $t->kill_worker;
    ok(still_wait(@polls, $post), 'all wait');
    $t->start_worker;

    is(count('completed', map { $_->answer } @polls), 10, 'polls are told');
    is(($post->answer // {})->{status}, 200, 'and who submitted');
    cmp_ok(time - $start, '<', $wait - 20, 'in time');
};


subtest 'the doorbell is lost' => sub {
    # all of nginx's are made when somebody waits for the first time
    my @doors = glob $t->store . '/db/bell-*.sock';
    cmp_ok(scalar(@doors), '>', 1, 'there are doorbells');
    unlink @doors;

    my $url   = $t->submit('/a?sleep=1')->json->{statusUrl};
    my $start = time;
    my @polls = polls($t, 10, $url);
    my $post  = AsyncClient->post($t, '/a?sleep=1', @long);

    is(count('completed', map { $_->answer } @polls), 10,
       'what changes is seen all the same');
    is(($post->answer // {})->{status}, 200, 'by all');
    cmp_ok(time - $start, '<', $wait - 20, 'in time');
};


subtest 'over HTTP/2' => sub {
    my $tls  = 'https://127.0.0.1:' . $t->port('TLS');
    my @curl = ('-k', '--http2', '-H', "Prefer: wait=$wait");
    my $url  = $t->submit('/a?sleep=1')->json->{statusUrl};
    my $poll = $t->curl(@curl, "$tls$url");

    is($poll->{version}, 'HTTP/2', 'HTTP/2 it is');
    is($poll->json->{status}, 'completed', 'a poll waits');

    my $size = 3_000_000;
    my $post = $t->curl(@curl, '-d', 'x', "$tls/a?size=$size&header=X-A:b");
    is($post->{status}, 200, 'a submit waits');
    is($post->header('x-a'), 'b', 'and gets the response');
    is($post->header('async-result'), 200, 'with Async-Result');
    ok($post->{body} eq pattern($size), 'and its body, a large one');

    # several streams of one connection wait for one job, and for others
    $url = $t->submit('/a?sleep=2')->json->{statusUrl};
    my $other = $t->submit('/a?sleep=1')->json->{statusUrl};
    my $out = $t->root . '/many';
    my $ok  = system('curl', '--no-progress-meter', '-m', 60, '--noproxy', '*', '--parallel',
                     @curl, map { ("$tls$url", '-o', "$out.$_",
                                   "$tls$other", '-o', "$out.o$_") } 1 .. 10);
    is($ok, 0, 'twenty streams');
    is(scalar(grep { (slurp($_) // '') =~ /"status":"completed"/ }
              glob "$out.*"), 20, 'are all told');

    # one that is ended in the middle; the job goes on
    $url = $t->submit('/a?sleep=3')->json->{statusUrl};
    ok(runs($t, 1), 'a job runs');
    my $pid = $t->spawn('curl', 'curl', @curl, "$tls$url");
    ok(!$t->wait_end('curl', 0.5), 'a client waits');
    $t->stop('curl');
    ok(poll_until(20, sub { slurp($t->root . '/pids.log') =~ / 499$/m }),
       'and is seen to leave');
    is($t->wait_job($url)->{status}, 'completed', 'the job goes on');
};


subtest 'who left takes no place' => sub {
    my $url = $t->submit('/a?sleep=15')->json->{statusUrl};

    $t->stop_nginx;
    local @$t{qw(workers connections)} = (1, 100);
    $t->start_nginx;

    # half of the connections: 50; each round fills them and leaves
    for my $round (1 .. 4) {
        my @polls = polls($t, 50, $url);
        ok(poll_until(20, sub {
            my $more = AsyncClient->get($t, $url, @long);
            return 1 if $more->answered(0.5);
            push @polls, $more;
            return;
        }), "$round: one more than half of the connections is answered");
        ok(@polls <= 50, "$round: and that many wait");
        $_->leave for @polls;
        ok(poll_until(20, sub {
            my $poll = AsyncClient->get($t, $url, @long);
            my $waits = !$poll->answered(0.5);
            $poll->leave;
            return $waits;
        }), "$round: when they have left there is room");
    }
};

$t->done;
done_testing;
