#!/usr/bin/env perl

# async_store key=: what lies on the disk says nothing, what is served is what
# the backend sent; keys come, are replaced, go, and are missing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use IO::Uncompress::Gunzip;
use Test::More;

my $marker = 'xyzzy-plain-marker-xyzzy';


my $t = AsyncTest->new(store => 'key=%%ROOT%%/one.key', http => <<'END');
    client_max_body_size 64m;

    server {
        listen 127.0.0.1:%%PORT%%;

        location / {
            async on;
            async_status_uri /jobs/;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }

        location /zipped/ {
            async_status;
            gzip on;
            gzip_types *;
        }

        location /limited/ {
            async_status;
            limit_rate 10m;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_H2%% http2;

        location /jobs/ {
            async_status;
        }
    }
END

# 64 digits, base64 without and with its padding and line end
my %keys = (
    one   => '00112233445566778899aabbccddeeff' x 2 . "\n",
    two   => 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA',
    three => "//////////////////////////////////////////8=\r\n",
);

for my $name (sort keys %keys) {
    chmod 0644, $t->write_file("$name.key", $keys{$name});
}


# every file of the store that holds the marker
sub leaks {
    my $store = $t->store;
    return grep { index(slurp($_) // '', $marker) >= 0 }
           glob("$store/db/*"), glob("$store/spool/*");
}


sub is_sound {
    my ($name) = @_;
    my ($code, $said) = $t->command('check');
    is($code, 0, "$name: nginx-async check finds nothing") or diag($said);
}


sub text {
    my ($size) = @_;
    my $text = $marker . pattern($size);
    return substr $text, 0, $size;
}


# the record keeps 256 bytes of the URI: the marker comes after
sub job_with {
    my ($size, %args) = @_;
    my $body = text($size);
    my $pad  = 'x' x 256;
    my ($job, $result) = $t->submit_and_wait(
        "/echo?echo=1&pad=$pad&header=X-Said:$marker", body => $body,
        timeout => 60, headers => ['X-Secret' => $marker], %args);

    my ($head, $sent) = $t->backend_request;
    is($job->{status}, 'completed', "$size bytes: completed");
    ok($sent eq $body, "$size bytes: the backend got the body");
    like($head, qr/^X-Secret: \Q$marker\E\r$/m,
         "$size bytes: the backend got the head");
    is($result->{status}, 200, "$size bytes: the result");
    is($result->header('X-Said'), $marker, "$size bytes: its head");
    ok($result->{body} eq $body, "$size bytes: its body");
    return ($job, $body);
}


sub ask {
    my ($job, %headers) = @_;
    return $t->get($job->{resultUrl}, headers => [%headers], timeout => 60);
}


sub flip {
    my ($job, $at) = @_;
    my $path = $t->store . "/spool/$job->{id}.res";
    open my $file, '+<:raw', $path or die "$path: $!";
    seek $file, $at, 0;
    read $file, my $byte, 1;
    seek $file, $at, 0;
    print $file chr(ord($byte) ^ 1);
    close $file or die $!;
}


# nginx has said it, now or soon
sub logged {
    my ($log, $pattern) = @_;
    return poll_until(20, sub { (slurp($t->root . "/$log") // '') =~ $pattern });
}


# --- bodies of all kinds ---

$t->start;

my %jobs;

for my $size (0, 10, 4063, 4064, 4065, 262_144, 300_000, 20_000_000) {
    my ($job, $body) = job_with($size);
    $jobs{$size} = [$job, $body];
}

is_deeply([leaks()], [], 'no file of the store holds the marker');
ok(glob($t->store . '/spool/*.res'), 'there are spooled results');
is_sound('encrypted');
unlike(slurp($t->root . '/worker.log'), qr/\Q$marker\E/,
       'nor does the log of the worker');

for my $size (300_000, 20_000_000) {
    my ($job, $body) = @{ $jobs{$size} };
    my $etag = ask($job)->header('ETag');

    for my $range ([0, 9], [65_530, 65_545], [65_536, 131_071],
                   [$size - 1, $size - 1], [$size - 70_000, $size - 1])
    {
        my ($from, $to) = @$range;
        my $part = ask($job, Range => "bytes=$from-$to");
        is($part->{status}, 206, "$size bytes: $from-$to is 206");
        is($part->header('Content-Range'), "bytes $from-$to/$size",
           "$size bytes: $from-$to is what it says");
        ok($part->{body} eq substr($body, $from, $to - $from + 1),
           "$size bytes: $from-$to is right");
    }

    my $several = ask($job, Range => 'bytes=0-1,5-6');
    is($several->{status}, 200, "$size bytes: several ranges get the whole");
    ok($several->{body} eq $body, "$size bytes: and right");
    is(ask($job, Range => "bytes=$size-")->{status}, 416,
       "$size bytes: beyond the end is 416");

    my $not = ask($job, 'If-None-Match' => $etag);
    is($not->{status}, 304, "$size bytes: If-None-Match gets 304");
    is(ask($job, 'If-Match' => '"x"')->{status}, 412,
       "$size bytes: If-Match of another gets 412");

    my $head = $t->request('HEAD', $job->{resultUrl});
    is($head->{status}, 200, "$size bytes: HEAD");
    is($head->header('Content-Length'), $size, "$size bytes: its length");
}


# --- filters, a limit, HTTP/2 ---

for my $size (300_000, 20_000_000) {
    my ($job, $body) = @{ $jobs{$size} };
    my $unzip = sub {
        my ($zipped) = @_;
        my $plain;
        IO::Uncompress::Gunzip::gunzip(\$zipped, \$plain);
        return $plain;
    };
    my $zipped = $t->get("/zipped/$job->{id}/result", timeout => 60,
                         headers => ['Accept-Encoding' => 'gzip']);
    is($zipped->header('Content-Encoding'), 'gzip', "$size bytes: gzip");
    ok($unzip->($zipped->{body}) eq $body, "$size bytes: unzips to the body");

    my $limited = $t->get("/limited/$job->{id}/result", timeout => 60);
    ok($limited->{body} eq $body, "$size bytes: limit_rate");

    my $url = 'http://127.0.0.1:' . $t->port('H2') . $job->{resultUrl};
    my $h2  = $t->curl('--http2-prior-knowledge', $url);
    ok($h2 && $h2->{body} eq $body, "$size bytes: HTTP/2");
    $h2 = $t->curl('--http2-prior-knowledge', '-r', '70000-70009', $url);
    ok($h2 && $h2->{body} eq substr($body, 70_000, 10),
       "$size bytes: HTTP/2, a range");
}


# --- a client that takes its time, and one that goes away ---

{
    my ($job, $body) = @{ $jobs{20_000_000} };
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $t->port);
    my ($worker) = $t->nginx_workers;
    my $memory = sub {
        my ($kb) = (slurp("/proc/$worker/status") // '') =~ /^VmRSS:\s+(\d+)/m;
        return $kb;
    };
    my $before = $memory->();

    print $socket "GET $job->{resultUrl} HTTP/1.0\r\n\r\n";
    my $got = '';
    ok(poll_until(20, sub { sysread $socket, $got, 100, length $got }),
       'a slow client gets something');
    ok($t->get($job->{statusUrl})->{status} == 200, 'others are served');
    note('a slow client costs ' . ($memory->() - $before) . ' KB');
    cmp_ok($memory->() - $before, '<', 8_000,
           'what it does not take is not read for it');

    while (sysread $socket, $got, 1 << 20, length $got) { }
    ok($got =~ s/.*?\r\n\r\n//s && $got eq $body, 'in the end it has it all');

    $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $t->port);
    print $socket "GET $job->{resultUrl} HTTP/1.0\r\n\r\n";
    $got = '';
    poll_until(20, sub { sysread $socket, $got, 100, length $got });
    flip($job, 19_500_000);
    while (sysread $socket, $got, 1 << 20, length $got) { }
    flip($job, 19_500_000);
    $got =~ s/.*?\r\n\r\n//s;
    cmp_ok(length $got, '<', length $body,
           'damaged under way: the connection breaks off');
    ok($got eq substr($body, 0, length $got), 'with no wrong byte before');
    ok(logged('error.log', qr/of job \Q$job->{id}\E cannot be decrypted at/),
       'and nginx says so');
    ok(ask($job)->{body} eq $body, 'put right it is served');

    for (1 .. 20) {
        my $gone = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                         PeerPort => $t->port);
        print $gone "GET $job->{resultUrl} HTTP/1.0\r\n\r\n";
        sysread $gone, $got, 100 if $_ % 2;
        close $gone;
    }

    my $open = sub {
        return scalar grep { (readlink($_) // '') =~ m{/spool/} }
               glob "/proc/$worker/fd/*";
    };
    ok(poll_until(20, sub { $open->() == 0 }), 'who goes away leaves no file open')
        or diag($open->());
    is(($t->nginx_workers)[0], $worker, 'the nginx worker lives');
}


# --- a result that was damaged ---

for my $at (0, 65_551, 299_999) {
    my ($job) = @{ $jobs{300_000} };
    flip($job, $at);
    my $answer = ask($job);
    is($answer->{status}, 503, "a flipped byte at $at: 503");
    is($answer->json->{code}, 'store-unavailable', 'with its code');
    unlike($answer->{body}, qr/\Q$marker\E/, 'and nothing of the result');
    is($t->request('HEAD', $job->{resultUrl})->{status}, 200,
       'HEAD does not read it');
    isnt(($t->command('check'))[0], 0, 'check finds it');
    flip($job, $at);
    is(ask($job)->{status}, 200, 'put right: 200 again');
}


# --- rotation: the first encrypts, both decrypt ---

my $queued;
{
    $t->stop_worker;
    $queued = $t->submit('/echo?echo=1', body => text(1000));

    $t->{store} = 'key=two.key key=%%ROOT%%/one.key';
    $t->reload;

    ok(ask($jobs{10}[0])->{body} eq $jobs{10}[1],
       'a result under the old key, after a rotation');
    ok(ask($jobs{300_000}[0])->{body} eq $jobs{300_000}[1], 'a spooled one');

    $t->start_worker;
    my $job = $t->wait_job($queued);
    ok(ask($job)->{body} eq text(1000), 'a job that waited is run');

    ($jobs{two}[0], $jobs{two}[1]) = job_with(300_000);
    is_sound('two keys');
}


# --- the old one goes too early, and comes back ---

{
    $t->stop_worker;
    my $waits = $t->submit('/echo?echo=1', body => text(300));
    $t->{store} = 'key=three.key';
    $t->reload;
    $t->start_worker;

    for my $name ('two', 10) {
        my $job = $jobs{$name}[0];
        is($t->get($job->{statusUrl})->json->{status}, 'completed',
           "$name: status needs no key");
        my $answer = ask($job);
        is($answer->{status}, 503, "$name: the result is 503");
        is($answer->json->{code}, 'store-unavailable', "$name: with its code");
        is($t->request('HEAD', $job->{resultUrl})->{status}, 503,
           "$name: and so is HEAD");
    }

    my ($id) = slurp($t->root . '/error.log')
               =~ /is encrypted with key ([0-9a-f]{16}), .* a further "key="/;
    ok($id, 'the log names the key, and says what to do');

    job_with(20);
    ok(logged('worker.log', qr/jobs wait: they are encrypted .*key=[0-9a-f]{16}/),
       'the worker says that jobs wait');
    is($t->get($t->job_path($waits))->json->{status}, 'queued',
       'the job that it cannot read waits');
    is_sound('a key is missing');

    $t->{store} = 'key=three.key key=two.key key=one.key';
    $t->reload;
    my $job = $t->wait_job($waits, 60);
    is($job->{status}, 'completed', 'with its key it is run');
    is($job->{attempt}, 1, 'at its first attempt');
    ok(ask($job)->{body} eq text(300), 'and its result is right');
    ok(ask($jobs{two}[0])->{body} eq $jobs{two}[1], 'old results, too');
}


# --- the worker cannot read the key that encrypts ---

{
    my $path = $t->root . '/four.key';
    $t->write_file('four.key', 'f0' x 32 . "\n");
    chmod 0644, $path;
    $t->{store} = 'key=four.key key=three.key key=two.key key=one.key';
    $t->reload;
    rename $path, "$path.away" or die $!;
    $t->stop_worker;
    $t->start_worker;

    my $answer = $t->submit('/echo?echo=1', body => text(400));
    ok(logged('worker.log', qr/no job runs until it can.*four\.key/),
       'the worker says which file it cannot read');
    is($t->get($t->job_path($answer))->json->{status}, 'queued',
       'and its jobs wait');
    rename "$path.away", $path or die $!;
    my $job = $t->wait_job($answer, 60);
    is($job->{status}, 'completed', 'the file is back: they run');
    ok(ask($job)->{body} eq text(400), 'and the result is right');
    $jobs{four} = [$job, text(400)];
}

is_deeply([leaks()], [], 'still no file of the store holds the marker');


# --- off, and on again ---

{
    $t->{store} = 'key=off key=four.key key=three.key key=two.key key=one.key';
    $t->reload;
    my ($job, $body) = job_with(300_000);
    my $plain = slurp($t->store . "/spool/$job->{id}.res");
    ok($plain eq $body, 'with key=off a result is stored as it is');
    ok(ask($_->[0])->{body} eq $_->[1], 'old ones can be read')
        for @jobs{10, 300_000, 'two', 'four'};
    is_sound('key=off');

    $t->{store} = '';
    $t->reload;
    is(ask($jobs{four}[0])->{status}, 503, 'without any key they cannot');
    ok(ask($job)->{body} eq $body, 'but those in the clear can');
    my ($small) = $t->submit_and_wait('/echo?echo=1', body => 'clear');
    is(ask($small)->{body}, 'clear', 'without any key jobs run');

    $t->{store} = 'key=four.key';
    $t->reload;
    ok(ask($_)->{status} == 200, 'on again: what is clear, what is not')
        for $job, $small, $jobs{four}[0];
    job_with(300_001);
    is_sound('on again');
}


# --- nginx -t ---

for my $case (
    ['key=nobody.key', qr/cannot open ".*nobody\.key".*openssl rand -hex 32/],
    ['key=',           qr/needs the path of a file with a key/],
    ['key=short.key',  qr/"[^"]*short\.key" holds no key of 32 bytes/],
    ['key=long.key',   qr/"[^"]*long\.key" holds no key of 32 bytes/],
    ['key=empty.key',  qr/"[^"]*empty\.key" holds no key of 32 bytes/],
    ['key=folder.key', qr/"[^"]*folder\.key" is no file/],
    ['key=off',        qr/"key=off" of async_store stands before keys/],
    ['key=one.key key=off', qr/cannot open "[^"]*off"/],
    [join(' ', ('key=one.key') x 9), qr/8 key files are the most/],
) {
    my ($store, $said) = @$case;
    $t->write_file('short.key', 'ab' x 31 . "\n");
    $t->write_file('long.key', 'ab' x 32 . "\n\n");
    $t->write_file('empty.key', '');
    mkdir $t->root . '/folder.key';
    $t->{store} = $store;
    my ($code, $out) = $t->nginx_t;
    is($code, 1, "nginx -t refuses $store");
    like($out, $said, 'and says why');
    unlike($out, qr/(?:ab){8}|00112233/, 'without showing it');
}

{
    $t->{store} = 'key=one.key';
    my ($code, $out) = $t->nginx_t;
    is($code, 0, 'a key file that all may read is taken');
    like($out, qr/\[warn\] .*the key file ".*one\.key" can be used by everybody/,
         'with a warning');
    chmod 0640, $t->root . '/one.key';
    ($code, $out) = $t->nginx_t;
    is($code, 0, 'one of owner and group');
    unlike($out, qr/can be used by everybody/, 'without');
}

$t->{store} = 'key=four.key';
$t->write_conf;
$t->done;
done_testing;
