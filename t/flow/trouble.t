#!/usr/bin/env perl

# Bad input and trouble: backends that are down, slow, reset, lie or send too
# much; bodies that are too large; no worker; no store; several servers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncTest;
use Test::More;

my $gigabyte = 1 << 30;


my $t = AsyncTest->new(http => <<'END');
    large_client_header_buffers 6 16k;
    async_retry off;

    server {
        listen 127.0.0.1:%%PORT%%;

        location / {
            async on;
            async_methods GET POST PUT;
            proxy_pass http://%%BACKEND%%;
        }

        location /down {
            async on;
            proxy_pass http://127.0.0.1:%%PORT_NOBODY%%;
        }

        location /refused-then-up {
            async on;
            proxy_pass http://two;
        }

        location /short {
            async on;
            async_timeout 1s;
            proxy_pass http://%%BACKEND%%;
        }

        location /limited {
            async on;
            async_result_max 64m;
            proxy_max_temp_file_size 0;     # nginx reads no further ahead
            proxy_pass http://%%BACKEND%%;
        }

        location /tiny {
            async on;
            async_result_max 1k;
            proxy_pass http://%%BACKEND%%;
        }

        location /small-body {
            async on;
            client_max_body_size 1k;
            proxy_pass http://%%BACKEND%%;
        }

        location /sync {
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }

    upstream two {
        server 127.0.0.1:%%PORT_NOBODY%%;
        server %%BACKEND%%;
    }
END

$t->start;


sub arrived {
    my ($key, $event) = @_;
    return grep { $_->{target} =~ /[?&]key=$key(?:&|$)/ }
           $t->backend_log($event // 'arrived');
}


sub jobs_in_store {
    my ($where) = @_;
    my ($code, $said) = ($where || $t)->command('check', '--json');
    is($code, 0, 'nginx-async check finds nothing') or diag($said);
    return JSON::PP::decode_json($said)->{jobs};
}


# submits, waits, and expects a job that failed for this reason; what: the
# method, 502 or 504 as the result, and how often the backend was asked
sub fails_with {
    my ($name, $target, $code, %what) = @_;
    my $method = $what{method} || 'POST';
    my ($job, $result) = $t->submit_and_wait($target, method => $method,
                                             body => 'b', timeout => 60);

    is($job->{status}, 'failed', "$name: failed");
    is($job->{error}{code}, $code, "$name: $code");
    ok(!exists $job->{resultUrl} && !exists $job->{resultStatus},
       "$name: no result");
    is($result->{status}, $what{result} || 502, "$name: as a result");
    is($result->json->{code}, $code, "$name: with the code");
    is($result->json->{jobId}, $job->{id}, "$name: of this job");

    my ($key) = $target =~ /key=([\w-]+)/ or return $job;
    my $ran = () = arrived($key);
    is($ran, $what{ran} // 1, "$name: executions") if $method eq 'POST';
    note("$name: ran $ran times") if $method ne 'POST';
    return $job;
}


# --- backends -------------------------------------------------------------

fails_with('a backend that is down', '/down?key=down', 'backend-unreachable',
           ran => 0);

my ($job, $result) = $t->submit_and_wait('/refused-then-up?key=two',
                                         body => 'b');
is($job->{status}, 'completed', 'a dead peer beside a live one: completed');
is(scalar(arrived('two')), 1, 'a dead peer beside a live one: ran once');

for my $method (qw(POST PUT)) {
    fails_with("$method, too slow", "/short?sleep=4&key=slow-$method",
               'timeout', method => $method, result => 504);
    ok(poll_until(10, sub { arrived("slow-$method", 'gone') }),
       "$method, too slow: the backend saw its connection close");
    my ($in)  = arrived("slow-$method");
    my ($out) = arrived("slow-$method", 'gone');
    note(sprintf '%s, too slow: closed after %.2f s', $method,
         $out->{time} - $in->{time});
    cmp_ok($out->{time} - $in->{time}, '<', 3,
           "$method, too slow: long before it was done");

    # after the request was sent, what became of it is not known
    fails_with("$method, reset before the answer",
               "/?reset=before&key=before-$method", 'outcome-unknown',
               method => $method);
    fails_with("$method, reset in the answer",
               "/?reset=after&size=100000&key=after-$method",
               'outcome-unknown', method => $method);
    fails_with("$method, a body cut short",
               "/?size=100000&cut=5000&key=cut-$method", 'outcome-unknown',
               method => $method);
    fails_with("$method, a large body cut short",
               "/?size=2000000&cut=1500000&key=cut2-$method",
               'outcome-unknown', method => $method);
}

AsyncLoad::check_clean($t, 'after bad backends');


# --- too much -------------------------------------------------------------

# the most that has been resident, KB
sub memory {
    my ($pid) = @_;
    my ($peak) = slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m;
    return $peak;
}

sub spool_files {
    my $root = $t->store . '/spool';
    my @files = `find '$root' -type f`;
    return scalar @files;
}

my ($nginx) = $t->nginx_workers;
my %before = (nginx  => memory($nginx),
              worker => memory($t->pid('worker')));

fails_with('1 GB', "/limited?stream=$gigabyte&key=stream",
           'result-too-large');
ok(poll_until(10, sub { arrived('stream', 'gone') }),
   '1 GB: the backend saw its connection close');
my ($gone) = arrived('stream', 'gone');
note(sprintf '1 GB: the backend had sent %.0f MB', $gone->{sent} / (1 << 20));
cmp_ok($gone->{sent}, '<', 128 << 20, '1 GB: not much more was sent');

fails_with('1 GB, announced', "/limited?stream=$gigabyte&key=announced"
           . "&header=Content-Length:$gigabyte", 'result-too-large');
ok(poll_until(10, sub { arrived('announced', 'gone') }),
   '1 GB, announced: the backend saw its connection close');

fails_with('2 KB where 1 KB may be', '/tiny?size=2048&key=tiny',
           'result-too-large');
is(($t->submit_and_wait('/tiny?size=1024', body => 'x'))[0]{status},
   'completed', 'the last byte that may be is accepted');
is(spool_files(), 0, 'nothing is left in the spool');

my $path = $t->job_path($t->submit('/?stream=' . (256 << 20), body => 'b'));
is($t->wait_job($path, 90)->{status}, 'completed', '256 MB may be');
is(spool_files(), 1, '256 MB: in the spool');
my $file = $t->root . '/256mb';
is(system('curl', '-sS', '-m', 90, '--noproxy', '*', '-o', $file,
          'http://127.0.0.1:' . $t->port . "$path/result"), 0,
   '256 MB: fetched');
is(-s $file, 256 << 20, '256 MB: all of them');
is(system("for i in \$(seq 4096); do cat '"
          . $t->write_file('64kb', pattern(1 << 16))
          . "'; done | cmp - '$file'"), 0, '256 MB: byte for byte');
unlink $file;

my %after = (nginx => memory($nginx), worker => memory($t->pid('worker')));

for my $name (qw(nginx worker)) {
    my $grown = $after{$name} - $before{$name};
    note("$name: $before{$name} KB at most before, $after{$name} KB after");
    cmp_ok($grown, '<', 24 << 10, "$name: its memory is bounded");
}

is($t->pid('worker') && kill(0, $t->pid('worker')), 1,
   'it is the same worker');
is(($t->nginx_workers)[0], $nginx, 'and the same nginx worker');


# --- a body that is too large ---------------------------------------------

my $jobs   = jobs_in_store();
my $asked  = $t->backend_stats->{executions};
my $answer = $t->request('POST', '/small-body?key=413', body => 'x' x 2000);
is($answer->{status}, 413, 'over client_max_body_size: 413');
$answer = $t->raw("POST /small-body?key=413 HTTP/1.1\r\nHost: x\r\n"
                  . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                  . "400\r\n" . ('x' x 1024) . "\r\n"
                  . "10\r\n" . ('x' x 16) . "\r\n0\r\n\r\n");
is($answer->{status}, 413, 'in chunks: 413');
is(jobs_in_store(), $jobs, 'no job');
is($t->wait_job($t->submit('/small-body?key=1k', body => 'x' x 1024))
     ->{status}, 'completed', 'the last byte that may be is accepted');
is($t->backend_stats->{executions}, $asked + 1, 'the others did not run');


# --- clients that leave, or send nonsense ---------------------------------

$jobs = jobs_in_store();
$t->raw("POST /?key=half HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        timeout => 0.3);
is($t->raw("POST /?key=both HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
           . "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
           . "0\r\n\r\n")->{status}, 400, 'a length and chunks: 400');
is($t->raw("POST /?key=bad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
           . "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")->{status}, 400,
   'chunks that are none: 400');
is(jobs_in_store(), $jobs, 'no job');

for my $id ('', 'x', '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11',
            '0192F3C1-7A9B-7C3E-9D2F-1B5E0C8A4D1', 'x' x 3000, '%00', '../x',
            '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11/result',
            '0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11/result/', "$job->{id}x",
            "$job->{id}/nothing", substr($job->{id}, 0, 35))
{
    my $target = '/jobs/' . $id;
    my $shown  = length $target > 60 ? substr($target, 0, 20) . '...' : $target;
    my $answer = $t->get($target);
    my $expect = $id eq '%00' ? 400 : $id eq '../x' ? 202 : 404;
    is($answer->{status}, $expect, "$shown: $expect");
    is($answer->json->{code}, 'job-not-found', "$shown: no such job")
        if $expect == 404;
}


# --- lines as long as they may be -----------------------------------------

# the longest of its kind that the synchronous location takes: (size, answer)
sub longest {
    my ($low, $high, $make) = @_;
    while ($low < $high) {
        my $middle = int(($low + $high + 1) / 2);
        my $answer = $t->raw($make->('/sync', $middle));
        if ($answer && $answer->{status} == 200) { $low = $middle }
        else                                     { $high = $middle - 1 }
    }
    return $low;
}

sub request_line {
    my ($path, $size) = @_;
    return "PUT $path?" . ('u' x $size) . " HTTP/1.1\r\nHost: x\r\n"
           . "Connection: close\r\nContent-Length: 1\r\n\r\nb";
}

# buffers filled to the last byte: lines of 16 KB less one, then a short rest
sub head_lines {
    my ($path, $size) = @_;
    my $head = '';
    for (my $n = 0; $size > 0; $n++) {
        my $part = $size < 16_000 ? $size : 16_000;
        $head .= sprintf "X-%02d: %s\r\n", $n, 'h' x $part;
        $size -= $part;
    }
    return "PUT $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
           . "Content-Length: 1\r\n${head}X-Last: 1\r\n\r\nb";
}

for my $kind (['request line', \&request_line, 20_000],
              ['header lines', \&head_lines, 120_000])
{
    my ($name, $make, $most) = @$kind;
    my $size = longest(1000, $most, $make);
    note("the longest $name: $size bytes of ours");
    cmp_ok($size, '>', 15_000, "$name: several KB go through nginx");
    cmp_ok($size, '<', $most,  "$name: and there is an end to it");

    # /loc1 is as long as /sync, so the bytes fall on the same places
    my $accepted = $t->raw($make->('/loc1', $size));
    is($accepted->{status}, 202, "$name: the longest is accepted");
    my $job = $t->wait_job($accepted);
    is($job->{status}, 'completed', "$name: and replays")
        or diag(explain($job));
    my ($head) = $t->backend_request;
    my ($sent) = $make->('/loc1', $size) =~ /((?:u|h){1000,})/;
    ok($head =~ /\Q$sent\E/, "$name: as it was");
    isnt($t->raw($make->('/loc1', $size + 1))->{status} // 'nothing', 202,
         "$name: one byte more is refused");
}

$t->done;


# --- no worker ------------------------------------------------------------

$t = AsyncTest->new(name => 'trouble-alone', http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END
$t->start_backend->start_nginx;

my @paths = map { $t->job_path($t->submit("/?key=$_", body => 'b')) } 1 .. 5;
is_deeply([map { $t->get($_)->json->{status} } @paths], [('queued') x 5],
          'no worker: accepted and queued');
is($t->get("$paths[0]/result")->{status}, 202, 'no worker: no result yet');
is($t->backend_stats->{executions}, 0, 'no worker: nothing runs');

$t->stop_nginx;
$t->start_nginx;
is_deeply([map { $t->get($_)->json->{status} } @paths], [('queued') x 5],
          'they outlive a restart of nginx');

$t->start_worker;
is_deeply([map { $t->wait_job($_)->{status} } @paths], [('completed') x 5],
          'they run when it comes');
is($t->backend_stats->{executions}, 5, 'each once');
AsyncLoad::check_clean($t, 'no worker');
$t->done;


# --- no store -------------------------------------------------------------

my $other_site = <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_OTHER%%;
        location / { return 200 "the other site"; }
        location /proxied { proxy_pass http://%%BACKEND%%; }
    }
END

sub unavailable {
    my ($name) = @_;
    my $answer = $t->request('POST', '/', body => 'b');
    is($answer->{status}, 503, "$name: 503");
    is($answer->json->{code}, 'store-unavailable', "$name: says why");
    like($answer->header('Retry-After'), qr/^[1-9]\d*$/,
         "$name: Retry-After");
    ok(!exists $answer->json->{outcome}, "$name: definitely no job");
    is($t->get('/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11')->{status}, 503,
       "$name: a status cannot be told");
    other_site($name);
    return;
}

sub other_site {
    my ($name) = @_;
    is($t->get('/', port => 'OTHER')->{body}, 'the other site',
       "$name: the other site is there");
    is($t->get('/proxied', port => 'OTHER')->{status}, 200,
       "$name: its backend too");
    return;
}

# its parent does not exist, or is a file
for my $case (['no parent',         'missing/store'],
              ['a file in the way', 'file/store'])
{
    my ($name, $path) = @$case;
    $t = AsyncTest->new(name => 'trouble-store', http => $other_site);
    $t->write_file('file', 'not a folder');
    $t->{store_path} = $t->root . "/$path";
    $t->start_backend;

    my ($code, $said) = $t->nginx_t;
    isnt($code, 0, "$name: nginx -t refuses");
    like($said, qr/async_store/, "$name: says of what it speaks")
        or diag($said);
    like($said, qr/create|choose|name a folder|make/, "$name: and what to do");
    unlink $t->root . '/error.log';

    $t->start_nginx;
    unavailable("start, $name");
    like(slurp($t->root . '/error.log'), qr/async_store/,
         "start, $name: a sentence in the log");
    $t->stop_all;
    is_deeply([bad_log_lines($t->root . '/error.log')], [],
              "$name: nothing worse than an error in the log");
}

# not for the user of the nginx workers; later it is
{
    $t = AsyncTest->new(name => 'trouble-user', http => $other_site,
                        $> == 0 ? (user => 'www-data') : ());
    $t->start_backend->start_nginx;
    $t->stop_nginx;
    chmod 0, $t->store . '/db' or die $!;
    chown 0, 0, $t->store . '/db' if $> == 0;
    rename $t->store . '/db', $t->store . '/db-away' or die $!;
    $t->write_file($t->store . '/db', 'not a folder');
    $t->start_nginx;
    unavailable('a file where db should be');
    like(slurp($t->root . '/error.log'), qr/async_store/,
         'a file where db should be: a sentence in the log');

    unlink $t->store . '/db';
    $t->stop_nginx;
    $t->start_nginx;
    $t->start_worker($> == 0 ? ('--user', 'www-data') : ());
    is(($t->submit_and_wait('/', body => 'b'))[0]{status}, 'completed',
       'after it was put right: completed');
    other_site('after it was put right');
    $t->done;
}

# taken away from under a running nginx
$t = AsyncTest->new(name => 'trouble-removed', http => $other_site);
$t->start;
is(($t->submit_and_wait('/', body => 'b'))[0]{status}, 'completed',
   'a store that works');
rename $t->store, $t->store . '-away' or die $!;
ok(poll_until(20, sub {
       $t->request('POST', '/', body => 'b')->{status} == 503;
   }), 'the store is taken away: 503 soon');
other_site('the store is taken away');
like(slurp($t->root . '/error.log'), qr/store/,
     'the store is taken away: a sentence in the log');
rename $t->store . '-away', $t->store or die $!;
ok(poll_until(20, sub {
       $t->request('POST', '/', body => 'b')->{status} == 202;
   }), 'the store is back: so are jobs');
$t->stop_all;


# --- two server blocks of one name ----------------------------------------

$t = AsyncTest->new(name => 'trouble-blocks', http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name same.test;
        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
            proxy_set_header X-Block plain;
            proxy_set_header X-Scheme $scheme:$server_port;
        }
        location /jobs/ { async_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_TLS%% ssl;
        server_name same.test;
        ssl_certificate %%ROOT%%/cert.pem;
        ssl_certificate_key %%ROOT%%/key.pem;
        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
            proxy_set_header X-Block tls;
            proxy_set_header X-Scheme $scheme:$server_port;
        }
        location /jobs/ { async_status; }
    }
END
$t->make_certificate('same.test');
$t->start;

my $tls = $t->port('TLS');

sub tls {
    my ($target, @args) = @_;
    return $t->curl('-k', '--connect-to', "::127.0.0.1:$tls", @args,
                    "https://same.test:$tls$target");
}

for my $round (1 .. 3) {
    my $plain  = $t->submit("/?key=plain$round", host => 'same.test',
                            body => 'b');
    my $secure = tls("/?key=tls$round", '-d', 'b');
    is($secure->{status}, 202, "round $round: accepted over TLS");
    $t->wait_job($t->job_path($_)) for $plain, $secure;

    my ($n) = map { $_->{n} } arrived("plain$round");
    my ($head) = $t->backend_request($n);
    like($head, qr/^X-Block: plain\r$/m, "round $round: the plain block");
    like($head, qr/^X-Scheme: http:\Q@{[ $t->port ]}\E\r$/m,
         "round $round: its scheme and port");
    ($n) = map { $_->{n} } arrived("tls$round");
    ($head) = $t->backend_request($n);
    like($head, qr/^X-Block: tls\r$/m, "round $round: the block with TLS");
    like($head, qr/^X-Scheme: https:$tls\r$/m,
         "round $round: its scheme and port");
}

# either knows the other's jobs
my $seen = tls($t->job_path($t->submit('/', host => 'same.test',
                                       body => 'b')));
is($seen->{status}, 200, 'a status over TLS of a job accepted without');
$t->done;


# --- two nginx on one store -----------------------------------------------

my $instance = <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name same.test;
        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
            proxy_set_header X-Instance %%PORT%%;
        }
        location /jobs/ { async_status; }
    }
END
$t = AsyncTest->new(name => 'trouble-one', http => $instance);
my $u = AsyncTest->new(name => 'trouble-two', http => $instance);
$u->{store_path} = $t->store;
$u->{ports}{BACKEND} = $t->port('BACKEND');
$t->start_backend->start_nginx;
$u->start_nginx;

my @mine   = map { $t->job_path($t->submit("/?key=one$_", body => 'b')) } 1 .. 4;
my @theirs = map { $u->job_path($u->submit("/?key=two$_", body => 'b')) } 1 .. 4;
ok($u->stop_nginx, 'the second nginx stops before there is a worker');
$t->start_worker;
is_deeply([map { $t->wait_job($_)->{status} } @mine], [('completed') x 4],
          'the jobs of the first run');
is_deeply([map { $t->get($_)->json->{status} } @theirs], [('queued') x 4],
          'those of the second wait for it');
is_deeply([map { arrived("two$_") } 1 .. 4], [], 'and have not run');

$u->start_nginx;
is_deeply([map { $t->wait_job($_)->{status} } @theirs], [('completed') x 4],
          'they run when it is back');
is($u->get($mine[0])->{status}, 200, 'it knows the jobs of the first');

for my $case (['one', $t], ['two', $u]) {
    my ($name, $where) = @$case;
    my @instances = map {
        my ($head) = $t->backend_request($_->{n});
        $head =~ /^X-Instance: (\d+)/m;
    } map { arrived("$name$_") } 1 .. 4;
    is_deeply(\@instances, [($where->port) x 4],
              "$name: each ran where it was accepted, once");
}

AsyncLoad::check_clean($t, 'two nginx');
$u->stop_nginx;
is_deeply([bad_log_lines($u->root . '/error.log')], [],
          'the second nginx: nothing worse than an error in its log');
$t->done;

done_testing;
