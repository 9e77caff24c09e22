! Gradient ascent: the on-site energies of a disordered wire that let most electrons through, mean T(E) over a window.
!
!   python -m negfadj.embedding.build_c_library --output build/f
!   gfortran -J build/f build/f/negfadj.f90 examples/fortran/ascent.f90 -o build/f/ascent \
!            $(PKG_CONFIG_PATH=build/f pkg-config --libs negfadj)
!   build/f/ascent
!
! or: make -C examples/fortran                                                              Energies in eV.
program ascent
  use negfadj
  implicit none
  integer(c_int), parameter :: blocks = 5, chains = 2
  integer, parameter :: n = blocks*chains, n_energies = 9, steps = 12
  complex(c_double_complex) :: diagonal(chains, chains, blocks), upper(chains, chains, blocks - 1), cell(chains, chains)
  complex(c_double_complex) :: hopping(chains, chains), by_block(chains, chains, blocks)
  real(c_double) :: energies(n_energies), transmission(n_energies), weights(n_energies), onsite(n), gradient(n)
  real(c_double) :: first, last, moved(2), shift = 1d-5
  integer(c_int) :: lead
  type(c_ptr) :: device, result
  integer :: i, step

  energies = [(-0.6d0 + 0.15d0*(i - 1), i = 1, n_energies)]
  weights = 1d0/n_energies ! of T(E) in its mean
  onsite = [0.9d0, -0.4d0, 0.3d0, 0.7d0, -0.8d0, 0.2d0, 0.5d0, -0.6d0, -0.1d0, 0.8d0]
  cell = reshape([(0d0, 0d0), (0d0, 0.3d0), (0d0, -0.3d0), (0d0, 0d0)], [chains, chains])
  hopping = reshape([(-1d0, 0d0), (0d0, 0d0), (0d0, 0d0), (-1d0, 0d0)], [chains, chains])
  upper = spread(hopping, 3, blocks - 1)
  diagonal = spread(cell, 3, blocks)
  call check(negfadj_device_create(int(blocks, c_int64_t), spread(chains, 1, int(blocks)), NEGFADJ_COLUMN_MAJOR, &
             size(diagonal, kind=c_int64_t), diagonal, size(upper, kind=c_int64_t), upper, device))
  do i = 0, -1, -1 ! a lead at the first block, and one at the last
    call check(negfadj_device_add_lead(device, int(i, c_int), chains, 4_c_int64_t, cell, 4_c_int64_t, hopping, &
               0_c_int64_t, potential_energy=0d0, lead=lead))
  end do

  print '(a)', '  step   mean T(E)'
  do step = 0, steps
    call set_onsite(onsite)
    call check(negfadj_transmission_vjp(device, 0_c_int, 1_c_int, size(energies, kind=c_int64_t), energies, &
               size(transmission, kind=c_int64_t), transmission, result))
    if (step == 0) first = sum(weights*transmission)
    last = sum(weights*transmission)
    print '(i6, f24.17)', step, last
    call check(negfadj_pullback_onsite(result, size(weights, kind=c_int64_t), weights, int(n, c_int64_t), gradient))
    if (step == steps) exit
    call check(negfadj_result_free(result))
    onsite = onsite + 0.5d0*gradient
  end do

  call check(negfadj_pullback(result, size(weights, kind=c_int64_t), weights))
  call check(negfadj_gradient_blocks(result, size(by_block, kind=c_int64_t), by_block, 0_c_int64_t))
  call check(negfadj_result_free(result))
  do i = 1, 2 ! the derivative by H_12 = H_21* of block 3, which by_block shares between the two
    diagonal(1, 2, 3) = cell(1, 2) + merge(shift, -shift, i == 1)*(0d0, 1d0)
    diagonal(2, 1, 3) = conjg(diagonal(1, 2, 3))
    call check(negfadj_device_set_blocks(device, size(diagonal, kind=c_int64_t), diagonal, 0_c_int64_t))
    call check(negfadj_transmission(device, 0_c_int, 1_c_int, size(energies, kind=c_int64_t), energies, &
               size(transmission, kind=c_int64_t), transmission))
    moved(i) = sum(weights*transmission)
  end do
  call check(negfadj_device_free(device))
  print '(a, f20.14, a, f14.10)', 'by Im H_12:', 2*aimag(by_block(1, 2, 3)), ', by a difference', (moved(1) - moved(2))/(2*shift)
  if (last <= first .or. abs(2*aimag(by_block(1, 2, 3)) - (moved(1) - moved(2))/(2*shift)) > 1d-7) error stop 'wrong'

contains

  subroutine set_onsite(values)
    real(c_double), intent(in) :: values(chains, blocks)
    integer :: a
    do a = 1, chains
      diagonal(a, a, :) = values(a, :)
    end do
    call check(negfadj_device_set_blocks(device, size(diagonal, kind=c_int64_t), diagonal, 0_c_int64_t))
  end subroutine

  subroutine check(code)
    integer(c_int), intent(in) :: code
    if (code == NEGFADJ_OK) return
    print '(a, i0, 2a)', 'negfadj error ', code, ': ', negfadj_message()
    error stop 1
  end subroutine
end program
