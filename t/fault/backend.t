#!/usr/bin/env perl

# Backends that misbehave: each job ends as documented, in bounded time and
# memory, and the jobs of a backend that behaves go on beside them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncLoad;
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);


my $gigabyte = 1 << 30;
my $large    = 'x' x (4 << 20);
my $rounds   = scale(1, 10);

my $t = AsyncTest->new(http => <<'END');
    async_queue bad concurrency=64;
    async_queue good concurrency=8;
    client_max_body_size 8m;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /bad {
            async on queue=bad;
            async_retry off;
            async_timeout 8s;
            async_result_max 8m;
            proxy_pass http://%%BACKEND%%;
        }

        location /bad-keepalive {
            async on queue=bad;
            async_retry off;
            async_timeout 8s;
            async_result_max 8m;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://keepalive;
        }

        # each answer leads to the same place again
        location /around {
            async on queue=bad;
            async_methods GET POST PUT;
            async_retry off;
            proxy_pass http://%%BACKEND%%/x?header=X-Accel-Redirect:/around;
        }

        location /inside {
            internal;
            return 200 "inside";
        }

        location /forbidden {
            deny all;
            alias %%ROOT%%/html/forbidden;
        }

        location /sync {
            proxy_pass http://%%BACKEND%%;
        }

        location /good {
            async on queue=good;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }

    upstream keepalive {
        server %%BACKEND%%;
        keepalive 4;
    }
END

$t->write_file('html/forbidden', 'forbidden');
$t->start;

my $load = AsyncLoad->start($t, connections => 4, rate => 20,
    request => sub {
        my ($n) = @_;
        return ($n % 2 ? 'POST' : 'PUT', "/good?key=$n&size=" . $n * 113,
                "body $n");
    });

sub raw {
    my ($bytes, $again, $times) = @_;
    my $query = 'raw=' . encoded($bytes);
    $query .= '&again=' . encoded($again) . "&times=$times" if $times;
    return $query;
}

sub encoded {
    return $_[0] =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/gser;
}


my $head  = "HTTP/1.1 200 OK\r\n";

# What nginx takes for a whole answer says that the connection ends with it:
# nginx would keep it, and a POST that it sends there as the backend closes is
# one that nobody knows the outcome of, whatever this backend does.
my $close = "${head}Connection: close\r\n";
my $chunk = "${head}Transfer-Encoding: chunked\r\n\r\n";
my $five  = "${close}Content-Length: 5\r\n\r\nhello";

# What is done, the query, how a job ends: a status and the result's body, or
# an error.  The backend has got every request: unless it answered in full,
# nobody knows what came of it.  Where versions of nginx differ, its synchronous
# answer decides.
my @cases = (
    ['never answers',          'sleep=60', 'timeout'],
    ['drips a little',         'size=20000&drip=0.1', 200, pattern(20_000)],
    ['drips for too long',     'size=900000&drip=0.1', 'timeout'],
    ['resets instead',         'reset=before', 'outcome-unknown'],
    ['resets in the body',     'reset=after&size=90000', 'outcome-unknown'],
    ['hangs up in the head',   raw($head), 'outcome-unknown'],
    ['promises more',          'size=90000&cut=50', 'outcome-unknown'],
    ['sends more',             raw($five . ' and more'), 200, 'hello'],
    ['sends much more',        raw($five, 'x' x 1000, 10_000), 200, 'hello'],
    ['sends a second answer',  raw($five . $five), 200, 'hello'],
    ['sends 10 GB',            'stream=' . 10 * $gigabyte,
                               'result-too-large'],
    ['announces 10 GB',        'stream=' . 10 * $gigabyte
                               . '&header=Content-Length:' . 10 * $gigabyte,
                               'result-too-large'],
    ['announces nonsense',     raw("${head}Content-Length: five\r\n\r\nhello"),
                               'synchronous'],
    ['announces 2 lengths',    raw("${close}Content-Length: 5\r\n"
                                   . "Content-Length: 6\r\n\r\nhello!"),
                               'synchronous'],
    ['speaks no HTTP',         raw("SSH-2.0-OpenSSH_9.2\r\n"),
                               'outcome-unknown'],
    ['sends a bad header',     raw("${head}X-Bad\0Name: 1\r\n\r\nhello"),
                               'outcome-unknown'],
    ['sends endless headers',  raw($head, "X-Header: y\r\n", 1_000_000),
                               'outcome-unknown'],
    ['sends an endless line',  raw($head . 'X-Long: ', 'y' x 1000, 100_000),
                               'outcome-unknown'],
    ['floods with 100',        raw('', "HTTP/1.1 100 Continue\r\n\r\n",
                                   100_000),
                               qr/^(?:outcome-unknown|result-too-large)$/],
    ['floods with 103',        raw('', "HTTP/1.1 103 Early Hints\r\n"
                                   . "Link: </x>\r\n\r\n", 100_000),
                               qr/^(?:outcome-unknown|result-too-large)$/],
    ['chunks well',            raw("${close}Transfer-Encoding: chunked\r\n\r\n"
                                   . "5\r\nhello\r\n0\r\n\r\n"),
                               200, 'hello'],
    ['chunks without an end',  raw("${chunk}5\r\nhello\r\n"),
                               'outcome-unknown'],
    ['cuts a chunk',           raw("${chunk}50\r\nhello"),
                               'outcome-unknown'],
    ['chunks nonsense',        raw("${chunk}five\r\nhello\r\n0\r\n\r\n"),
                               'outcome-unknown'],
    ['chunks beyond 2^63',     raw("${chunk}ffffffffffffffffff\r\nhello"),
                               'outcome-unknown'],
    ['chunks, and more',       raw("${chunk}5\r\nhello\r\n0\r\n\r\nmore"),
                               200, 'hello'],
    ['chunks for ever',        raw($chunk, "400\r\n" . 'x' x 1024 . "\r\n",
                                   100_000), 'result-too-large'],
    ['redirects inside',       'header=X-Accel-Redirect:/inside',
                               200, 'inside'],
    ['redirects to a forbidden place',
                               'header=X-Accel-Redirect:/forbidden', 403],
);

# these read only the head of a request with a large body
my @early = (
    ['hangs up on the body',   'early=1&' . raw(''), 'outcome-unknown'],
    ['resets on the body',     'early=1&reset=before', 'outcome-unknown'],
    ['answers before the body', 'early=1&' . raw($five),
                               qr/^(?:200|outcome-unknown)$/],
);


sub memory {
    my ($nginx) = $t->nginx_workers;
    return (nginx => peak($nginx), worker => peak($t->pid('worker')));
}

# all at once, POST and PUT, since each may take its time
sub misbehave {
    my ($location, $body, @cases) = @_;
    my @jobs;

    for my $case (@cases) {
        my ($name, $query) = @$case;

        for my $method (qw(POST PUT)) {
            my $job = $t->submit("$location?$query", method => $method,
                                 body => $body);
            push @jobs, [$case, "$location, $method: it $name", $job];
        }
    }

    ended(@$_) for @jobs;
    return;
}

sub ended {
    my ($case, $name, $submit) = @_;
    my (undef, $query, $end, $bytes) = @$case;
    ($end, $bytes) = synchronous($query) if $end eq 'synchronous';
    my $path   = $t->job_path($submit);
    my $job    = $t->wait_job($path, 60);
    my $result = $t->get("$path/result");
    my $got    = $job->{resultStatus} // $job->{error}{code};

    if (ref $end) { like($got, $end, "$name: $end") }
    else          { is($got, $end, "$name: $end")   }

    if (!defined $job->{resultStatus}) {
        is($result->{status}, $got eq 'timeout' ? 504 : 502,
           "$name: no result");
        is($result->json->{code}, $got, "$name: which says why");
    } elsif (defined $bytes) {
        is($result->{body}, $bytes, "$name: the bytes");
    }

    return;
}


sub synchronous {
    my ($query) = @_;
    my $answer = $t->request('POST', "/sync?$query", body => 'b');
    return $answer && $answer->{status} == 200 && !$answer->{cut}
           ? (200, $answer->{body}) : 'outcome-unknown';
}


# once before the measure, so that buffers and arenas are there
misbehave('/bad', 'b', @cases);
my %before = memory();
my $worker = $t->pid('worker');
my @nginx  = $t->nginx_workers;

for my $round (1 .. $rounds) {
    my $began = time;
    misbehave('/bad', 'b', @cases);
    misbehave('/bad-keepalive', 'b', @cases);
    misbehave('/bad', $large, @early);
    note(sprintf 'round %d took %.1f s', $round, time - $began);
}

my %after = memory();

for my $name (qw(nginx worker)) {
    note("$name: $before{$name} KB at most before, $after{$name} KB after");
    cmp_ok($after{$name} - $before{$name}, '<', 16 << 10,
           "$name: its memory is bounded");
}


# --- round and round inside nginx -----------------------------------------

my ($job, $result) = $t->submit_and_wait('/around?key=0', body => 'b');
my $asked = grep { $_->{target} =~ m{^/x\?} } $t->backend_log('arrived');
note("round and round: $job->{status}, ", $job->{error}{code} // '',
     " $result->{status}, the backend was asked $asked times");
is($job->{status}, 'failed', 'round and round: nginx gives up');
cmp_ok($asked, '<', 20, 'round and round: soon');
is(scalar(grep { $_->{uri} =~ m{^/around} } jobs_in_store($t)), 1,
   'round and round: one job');

is_deeply([$t->nginx_workers], \@nginx, 'no nginx worker has ended');
is($t->pid('worker') && kill(0, $worker), 1, 'nor has the worker');


# --- those that behaved ---------------------------------------------------

$load->stop;
my ($code, $said) = $t->command('check', '--json');
is($code, 0, 'nginx-async check finds nothing') or diag($said);
is((JSON::PP::decode_json($said) || {})->{orphans} // 0, 0,
   'and no file of no job');
my @behaved = grep { ($_->{status} // 0) == 202 } $load->submits;
my @ends    = fetch_all($t, map { "/jobs/$_->{id}" } @behaved);
note(scalar(@behaved), ' jobs of a backend that behaves');
is_deeply([grep { $_->json->{status} ne 'completed' } @ends], [],
          'jobs of a backend that behaves have completed');
is(scalar(@behaved), scalar($load->submits), 'all were accepted');

$t->done;
done_testing;
