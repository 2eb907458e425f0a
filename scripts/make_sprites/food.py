"""Families of the class "food"."""

from .food_garden import apple, banana, broccoli, carrot, cherries, grapes, pumpkin, strawberry, watermelon
from .food_savoury import bread, burger, cheese, egg, fish, meat, pizza
from .food_sweet import cake, cupcake, donut, ice_cream

FAMILIES = (
    *(apple, cherries, banana, strawberry, grapes, watermelon, carrot, bread, cheese, egg),
    *(fish, meat, cake, ice_cream, pizza, burger, donut, cupcake, pumpkin, broccoli),
)
FOOD = {family.__name__: family for family in FAMILIES}
