#!/usr/bin/env perl

# Webhooks that a client would like to be sent to where he cannot reach
# himself: under "public" nothing of this machine or its network is connected
# to, whatever a URL looks like and whatever a name resolves to, now or the
# next time.  Listeners on the targets count who comes.

use strict;
use warnings;

use AsyncTest;
use IO::Socket::INET;
use Test::More;


my $t = AsyncTest->new(workers => 1, http => <<'END');
    large_client_header_buffers 4 16k;

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name gateway.test;
        merge_slashes off;

        async_callback        $http_x_callback_url;
        async_callback_secret %%ROOT%%/secret per=host;

        location /public {
            async on;
            async_callback_allow public;
            proxy_pass http://%%BACKEND%%;
        }

        # what no header can hold comes by a path, decoded
        location ~ "(?s)^/decoded/(?<decoded>.+)$" {
            async on;
            async_callback $decoded;
            async_callback_allow public;
            proxy_pass http://%%BACKEND%%;
        }

        location /suffix {
            async on;
            async_callback_allow .test;
            proxy_pass http://%%BACKEND%%;
        }

        location /listed {
            async on;
            async_callback_allow loopback4.test loopback6.test both.test
                                 127.0.0.1 redirects.test;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

my $root = $t->root;

$t->write_file('secret', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
chmod 0644, "$root/secret" or die $!;


# --- names, and what they lead to -------------------------------------------

# under "public"; each has an address that must not be connected to
my %names = (
    'loopback4.test'  => '127.0.0.1',
    'loopback6.test'  => '::1',
    'deep.loop.test'  => '127.200.1.1',
    'unspecified.test' => '0.0.0.0',
    'unspecified6.test' => '::',
    'private10.test'  => '10.0.0.1',
    'private172.test' => '172.31.255.254',
    'private192.test' => '192.168.1.1',
    'metadata.test'   => '169.254.169.254',
    'cgnat.test'      => '100.64.0.1',
    'benchmark.test'  => '198.18.0.1',
    'multicast.test'  => '224.0.0.1',
    'broadcast.test'  => '255.255.255.255',
    'mapped.test'     => '::ffff:127.0.0.1',
    'compatible.test' => '::127.0.0.1',
    'nat64.test'      => '64:ff9b::7f00:1',
    'sixtofour.test'  => '2002:7f00:1::1',
    'teredo.test'     => '2001:0:7f00:1::',
    'isatap.test'     => '2607:f8b0::5efe:127.0.0.1',
    'ula.test'        => 'fd00:ec2::254',
    'linklocal.test'  => 'fe80::1',
    'alias.test'      => '@loopback4.test',
    'both.test'       => '127.0.0.1 ::1',
    'all.test'        => '10.0.0.1 127.0.0.1 ::1',
    'moves.test'      => '192.168.0.1 | 127.0.0.1',
    'xn--local-8na.test' => '127.0.0.1',
);

# those of which one answer is good and another is not
my %turning = (
    'mixed.test'  => '8.8.8.8 127.0.0.1',
    'mixed6.test' => '2606:4700::1111 ::1',
    'rebind.test' => '8.8.8.8 | 127.0.0.1',
    'rebound.test' => '@turns.test',
    'turns.test'  => '8.8.8.8 | 8.8.8.8 | 127.0.0.1 ::1',
);

my $zone = join '', map { "$_ " . ($names{$_} // $turning{$_}) . "\n" }
           sort keys %names, keys %turning;

$t->write_file('zone', $zone . "redirects.test 127.0.0.1\n");

# something free for UDP, and for good
my $udp = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
    or die $!;
my $dns = $udp->sockport;
close $udp;

$t->spawn('resolver', 'python3', "$t->{top}/t/lib/resolver.py", $dns,
          "$root/zone", "$root/questions");
poll_until(30, sub { (slurp("$root/resolver.log") // '') =~ /ready/ })
    or die 'no resolver: ', slurp("$root/resolver.log") // '';


# --- listeners on the targets, which are all of this machine ----------------

# the backend takes and records whatever comes, on loopback; here it is the
# target, and what is counted are connections
my $target = $t->port('target');
my $count  = "$root/target.count";

$t->write_file('target.py', <<'END');
import os, select, socket, sys
port = int(sys.argv[1])
socks = [socket.create_server(("127.0.0.1", port), backlog=64)]
try:
    socks.append(socket.create_server(("::1", port), family=socket.AF_INET6,
                                      backlog=64))
except OSError:
    pass
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
moved = (f"301 Moved\r\nLocation: http://127.0.0.1:{port}/moved\r\n"
         "Content-Length: 0")
print("ready", flush=True)
while True:
    for sock in select.select(socks, [], [])[0]:
        peer, _ = sock.accept()
        peer.settimeout(5)
        os.write(log, b"connection\n")
        try:
            away = b" /redirects" in peer.recv(65536)
            answer = moved if away else "204 No Content"
            peer.sendall(f"HTTP/1.1 {answer}\r\n\r\n".encode())
        except OSError:
            pass
        peer.close()
END

$t->spawn('target', 'python3', "$root/target.py", $target, $count);
poll_until(30, sub { (slurp("$root/target.log") // '') =~ /ready/ })
    or die 'no target: ', slurp("$root/target.log") // '';

sub came {
    my @lines = split /\n/, slurp($count) // '';
    return scalar @lines;
}

# [address, port] of each TCP connection that the worker has begun
sub begun {
    return map { [split] } split /\n/, slurp("$root/connects") // '';
}

{
    # a proxy of the environment would be sent to whatever it is asked for
    my $proxy = "http://127.0.0.1:$target";
    local %ENV = (%ENV, LD_PRELOAD => "$t->{top}/build/fault/"
                                      . 'preload_resolver.so',
                  ASYNC_RESOLVER => $dns, ASYNC_CONNECTS => "$root/connects",
                  ASYNC_HANGS => "$root/hangs",
                  http_proxy => $proxy, https_proxy => $proxy,
                  HTTPS_PROXY => $proxy, ALL_PROXY => $proxy);

    $t->start_backend;
    { local @ENV{qw(LD_PRELOAD)} = (''); $t->start_nginx; }
    $t->start_worker('--grace', '1s');
}


sub submit_to {
    my ($location, $url) = @_;
    return $t->request('POST', $location, body => 'x',
                       headers => ['X-Callback-Url' => $url]);
}


sub webhook_lines {
    my ($id) = @_;
    return grep { $_->{event} =~ /^webhook/ }
           @{ $t->get("/jobs/$id/history")->json->{events} };
}


# --- what is refused before there is a job ----------------------------------

my $n = 0;

# and what is too long, by a letter or a label
my $long = join '', map { "invalid https://$_\n" }
           'a' x 64 . '.example.com/', 'a.' x 130 . 'com/',
           'example.com/' . 'x' x 2048;

for my $line (split /\n/, slurp("$t->{top}/t/lib/hostile-urls.txt") . $long) {
    my ($verdict, $url) = $line =~ /^(invalid|refused) (.*)$/ or next;

    $url =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
    $n++;

    my $answer = $url !~ /[\0\r\n]|^ / ? submit_to('/public', $url)
               : $t->request('POST', '/decoded/'
                             . $url =~ s/(.)/sprintf '%%%02x', ord $1/gers,
                             body => 'x');

    # nginx itself takes no such path
    if ($url =~ /\0/) {
        is($answer->{status}, 400, "no path: $line");
        next;
    }

    my $json = eval { $answer->json } || {};

    is(($json->{code} // '') . ' ' . $answer->{status},
       "callback-$verdict 400", substr $line, 0, 80);
    like($json->{detail} // '', qr/^The callback URL \w.*\.$/,
         'a sentence says why');
}

cmp_ok($n, '>=', 80, 'they are many');
is(came(), 0, 'nobody has come to the target');
is(scalar(grep { $_->[1] == $target } begun()), 0, 'or has tried to');


# nor has such a host a key, where keys are those of hosts
{
    my ($code, $out) = $t->command('keygen', '--for', 'not a host');
    is($code, 1, 'what is no host has no key');
    like($out, qr/is no host/, 'which is said');
    unlike($out, qr/whsec_/, 'and none is printed');
}


# --- names, of which more is known only when they are asked for -------------

my %jobs;

for my $name (sort keys %names, keys %turning) {
    my $location = $name =~ /^[a-m]/ ? '/suffix' : '/public';
    my $answer   = submit_to($location, "https://$name:$target/in");

    is($answer->{status}, 202, "$name: a name is a name");
    $jobs{$name} = $answer->json->{id} if $answer->{status} == 202;
}

for my $name (sort keys %names) {
    my $id   = $jobs{$name} or next;
    my $line = poll_until(60, sub { (webhook_lines($id))[0] });

    is($line->{error}, 'address-refused',
       "$name ($names{$name}): refused where it would connect");
    is($line->{event}, 'webhook-failed', 'and tried again');
}

# the second try of those that change: what they were is not what counts
for my $name ('moves.test', sort keys %turning) {
    my $id = $jobs{$name} or next;

    ok(poll_until(60, sub { webhook_lines($id) >= 2 }), "$name: tried twice");
}

is((webhook_lines($jobs{'moves.test'}))[1]{error}, 'address-refused',
   'refused as what it has become');

like(slurp("$root/questions"), qr/^\Q$_\E \d+$/m, "$_ was asked for")
    for sort keys %names, 'rebind.test';

my @global = grep { $_->[0] =~ /^(?:8\.8\.8\.8|2606:4700::1111)$/ } begun();

is(came(), 0, 'nobody has come to the target');
ok(scalar @global, 'the good addresses of names were tried');
is_deeply([grep { $_->[0] !~ /^(?:8\.8\.8\.8|2606:4700::1111)$/ } begun()],
          [], 'and nothing else, of this machine or any other');


# --- the same, where it is allowed: the test can see it ---------------------

for my $url ("http://loopback4.test:$target/", "http://both.test:$target/",
             "http://127.0.0.1:$target/") {
    my $before = came();
    my $answer = submit_to('/listed', $url);
    my $id     = $answer->json->{id};

    is($answer->{status}, 202, "$url: listed");
    ok(poll_until(60, sub { came() > $before }), 'somebody comes');
    ok(poll_until(60, sub { (webhook_lines($id))[0] }), 'the history says so');
}

# and one that sends us on is not followed
{
    my $before = came();
    my $id = submit_to('/listed', "http://redirects.test:$target/redirects")
             ->json->{id};
    my $line = poll_until(60, sub { (webhook_lines($id))[0] });

    is($line->{status}, 301, 'a redirect is an answer');
    is(came(), $before + 1, 'and not followed');
}

# --- a name server that does not answer --------------------------------------

{
    my $id = submit_to('/public', 'https://hang.test/')->json->{id};

    ok(poll_until(60, sub { -e "$root/hangs" }), 'a name is asked for');
    is($t->submit_and_wait('/public', body => 'x')->{status}, 200,
       'meanwhile jobs run');

    # a thread of the C library waits for the answer, and nobody for it
    ok($t->stop_worker(20), 'and the worker ends when it is told');
    unlink "$root/hangs";
    is(scalar(webhook_lines($id)), 0, 'the webhook is still owed');
}

$t->done;
done_testing;
