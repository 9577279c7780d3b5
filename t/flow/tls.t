#!/usr/bin/env perl

# What a location makes of the client's TLS holds at the replay, which comes
# over a unix socket: a condition on it, and a map of the client's name.

use strict;
use warnings;

use AsyncTest;
use Test::More;

my $t = AsyncTest->new(http => <<'END');
    map $ssl_client_s_dn $who {
        default     nobody;
        ~CN=a\.test known;
    }

    server {
        listen 127.0.0.1:%%PORT%% ssl;
        ssl_certificate     %%ROOT%%/cert.pem;
        ssl_certificate_key %%ROOT%%/key.pem;
        ssl_verify_client   optional_no_ca;

        location / {
            if ($ssl_protocol = "") { return 403; }
            if ($who = nobody)      { return 403; }
            async on;
            proxy_set_header X-Who $who;
            proxy_set_header X-Dn  $ssl_client_s_dn;
            proxy_pass http://%%BACKEND%%;
        }

        # the map is looked at here for the first time at the replay
        location /late {
            async on;
            proxy_set_header X-Who $who;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END
$t->make_certificate('a.test');
$t->start;

my $root = $t->root;
my $url  = 'https://127.0.0.1:' . $t->port;
my $curl = "curl -sk -m 20 --noproxy '*'";
my $cert = "--cert $root/cert.pem --key $root/key.pem";


sub run_job {
    my ($path, $options) = @_;
    my ($status) = `$curl $options -d x $url$path`
                   =~ /"statusUrl":"([^"]+)"/ or return '';
    my $ended = poll_until(20, sub {
        my $json = `$curl $url$status`;
        return $json =~ /"status":"(?:completed|failed)"/ ? $json : undef;
    });
    return $ended =~ /"status":"completed"/ ? 'completed' : $ended;
}


like(`$curl -o /dev/null -w '%{http_code}' -d x $url/`, qr/^403$/,
     'without a certificate: refused at submission');
is(run_job('/', $cert), 'completed',
   'a condition on the TLS of the client holds at the replay');

my ($head) = $t->backend_request;
like($head, qr/^X-Who: known\r$/m, 'and so does the map of its name');
like($head, qr/^X-Dn: CN=a\.test\r$/m, 'and its name');

is(run_job('/late', $cert), 'completed', 'a map that is used at the replay');
($head) = $t->backend_request;
like($head, qr/^X-Who: known\r$/m, 'sees the name at submission');

is(run_job('/late', ''), 'completed', 'and without a certificate');
($head) = $t->backend_request;
like($head, qr/^X-Who: nobody\r$/m, 'it sees none');

$t->done;
done_testing;
