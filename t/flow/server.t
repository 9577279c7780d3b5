#!/usr/bin/env perl

# The private listener of a server: it stays the same when the server's block
# is edited, its jobs wait for it while it is away, it speaks plain HTTP
# whatever the block says, and it has room for whatever the public one accepted.

use strict;
use warnings;

use AsyncTest;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

my $servers = <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        %%MORE%%
        location / { async on; proxy_pass http://%%BACKEND%%; }
        location /brief { async on; async_start_timeout 1s; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_TLS%%%%SSL%%;
        ssl_certificate %%ROOT%%/cert.pem;
        ssl_certificate_key %%ROOT%%/key.pem;
        location / { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END

# "ssl on" is what older versions had, it is gone from 1.25.1 on
my $nginx = $ENV{TEST_NGINX_BINARY} || 'build/nginx';
my ($minor, $patch) = `$nginx -v 2>&1` =~ m{nginx/1\.(\d+)\.(\d+)}
    or die 'no version';
my $ssl = $minor * 1000 + $patch < 25_001 ? '; ssl on' : ' ssl';


sub servers {
    my ($more) = @_;
    return $servers =~ s/%%MORE%%/$more/r =~ s/%%SSL%%/$ssl/r;
}



my $t = AsyncTest->new(http => servers('server_name one.test;'));
$t->make_certificate('one.test');

# the lowest listen of a server is part of what it is known by
my @ports = sort { $a <=> $b } $t->port, $t->port('MORE');
@{ $t->{ports} }{ '', 'MORE' } = @ports;

$t->start_backend;
$t->start_nginx;


# --- another name and another listen --------------------------------------

my $accepted = $t->submit('/', body => 'b');

$t->{http} = servers('server_name one.test two.test;'
                     . ' listen 127.0.0.1:%%PORT_MORE%%;');
$t->reload;
$t->start_worker;
is($t->wait_job($accepted)->{status}, 'completed',
   'a job finds its server after another name and listen');


# --- a server that is away ------------------------------------------------

my $whole = $t->{http};

sub told {
    my ($path) = @_;
    my ($id)   = $path =~ m{([^/]+)$};
    my ($code, $out) = $t->command('show', '--json', $id);
    return $code == 0 ? JSON::PP::decode_json($out)->{job} : {};
}

$t->stop_worker;
my ($waits, $brief) = map { $t->job_path($t->submit($_, body => 'b')) }
    '/', '/brief';
$t->{http} = $whole =~ s/^    server \{.*?^    \}\n//msr;
$t->reload;
$t->start_worker;

ok(poll_until(30, sub { (told($brief)->{status} // '') eq 'failed' }),
   'a job of a server that is no longer configured fails at its deadline');
is(told($brief)->{error}{code}, 'start-timeout', 'and says so');
is(told($waits)->{status}, 'queued', 'until then it waits');

$t->{http} = $whole;
$t->reload;
is($t->wait_job($waits)->{status}, 'completed', 'for its server to return');


# --- ssl on, as it was written before 1.15 --------------------------------

my $url  = 'https://127.0.0.1:' . $t->port('TLS');
my $curl = "curl -sk -m 20 --noproxy '*'";
my ($tls) = `$curl -d x $url/` =~ /"statusUrl":"([^"]+)"/;

ok($tls, 'ssl on: accepted');
ok(poll_until(20, sub { `$curl $url$tls` =~ /"status":"completed"/ }),
   'ssl on: completed');


# --- a line that fills its buffer -----------------------------------------

my $socket = IO::Socket::INET->new('127.0.0.1:' . $t->port) or die $!;
print $socket "PUT / HTTP/1.1\r\nHost: one.test\r\nX:", 'v' x 8188,
      "\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
my $answer = do { local $/; <$socket> };
my ($path) = $answer =~ /"statusUrl":"([^"]+)"/;

ok($path, 'a line that fills its buffer: accepted') or diag $answer;
is($t->wait_job($path)->{status}, 'completed',
   'a line that fills its buffer: completed');

$t->done;
done_testing;
