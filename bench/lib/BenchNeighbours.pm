package BenchNeighbours;

# What the other locations of that nginx notice: a static file, while submits
# come as fast as they can, and the same in an nginx that has no module of
# ours and answers those with a bare "return".

use strict;
use warnings;

use Bench;
use BenchOurs;
use BenchPeers;


sub rows {
    my ($table, $rounds) = @_;
    my $ours  = BenchOurs->new('neighbours');
    my $t     = $ours->{t};
    my $post  = $ours->post;
    my $plain = BenchPeers->plain($t, $t->root . '/html');
    my %of    = in_turn($rounds, {
        ours  => sub { beside($t, $ours->{url}, $post) },
        plain => sub { beside($t, $plain->{base}, $post) },
    });

    $table->pair('p99 of a static file beside submits, ms',
                 'without our module', \%of, qw(ours plain p99),
                 most => 1.2);
    $table->pair('  p50, ms', 'without our module', \%of,
                 qw(ours plain p50));
    $_->stop for $plain, $ours;
    return;
}


sub beside {
    my ($t, $base, $post) = @_;
    my $seconds = seconds() + 1;

    $t->spawn('submits', 'wrk', '-t1', '-c64', "-d${seconds}s", '-s', $post,
              "$base/reports");
    my $figures = wrk("$base/static/file", connections => 4);
    $t->stop('submits');
    return $figures;
}


1;
